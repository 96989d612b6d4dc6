"""What the pages share: the store, the gateway, the matchmaker and the newest ratings."""

from __future__ import annotations

from dataclasses import dataclass

from rostra.arena.gateway_client import GatewayClient
from rostra.arena.matchmaking import Policy
from rostra.arena.matchmaking.build import open_policy
from rostra.arena.matchmaking.evidence import of_store
from rostra.arena.results import ResultsReader
from rostra.arena.round import Round
from rostra.arena.settings import ArenaSettings
from rostra.arena.standings import StandingsReader
from rostra.arena.votes.store import VoteStore


@dataclass(frozen=True)
class Arena:
    settings: ArenaSettings
    store: VoteStore
    client: GatewayClient
    matchmaker: Policy
    standings: StandingsReader
    results: ResultsReader

    @classmethod
    def open(cls, settings: ArenaSettings, client: GatewayClient) -> Arena:
        """Opens the vote store, creating or upgrading it. Blocks; raises `ArenaError`."""
        store = VoteStore(settings.votes_url)
        return cls(
            settings=settings,
            store=store,
            client=client,
            matchmaker=open_policy(settings, of_store(settings.votes_url)),
            standings=StandingsReader(settings.ratings_dir),
            results=ResultsReader(settings.ratings_dir),
        )

    def new_round(self, address: str) -> Round:
        return Round(self.matchmaker.draw().pair, self.store, self.client, address)
