"""What the pages share: the store, the gateway, the matchmaker and the newest ratings."""

from __future__ import annotations

import random
from dataclasses import dataclass

from rostra.arena.gateway_client import GatewayClient
from rostra.arena.matchmaking import Matchmaker
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
    matchmaker: Matchmaker
    standings: StandingsReader
    results: ResultsReader

    @classmethod
    def open(cls, settings: ArenaSettings, client: GatewayClient) -> Arena:
        """Opens the vote store, creating or upgrading it. Blocks; raises `ArenaError`."""
        return cls(
            settings=settings,
            store=VoteStore(settings.votes_url),
            client=client,
            matchmaker=Matchmaker(settings.contestants, random.SystemRandom()),
            standings=StandingsReader(settings.ratings_dir),
            results=ResultsReader(settings.ratings_dir),
        )

    def new_round(self, address: str) -> Round:
        return Round(self.matchmaker.draw(), self.store, self.client, address)
