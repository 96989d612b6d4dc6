"""What the pages share: the store, the gateway, the matchmaker and the newest ratings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rostra.arena.access.access import Access
from rostra.arena.access.limits import Limits
from rostra.arena.access.proof import Proofs
from rostra.arena.access.secret import secret, secret_folder
from rostra.arena.claims import Claims
from rostra.arena.contestant import Contestant
from rostra.arena.errors import VoteRefusedError
from rostra.arena.gateway_client import GatewayClient
from rostra.arena.live import LiveRounds
from rostra.arena.matchmaking import Policy, Side
from rostra.arena.matchmaking.build import open_policy
from rostra.arena.matchmaking.evidence import of_store
from rostra.arena.moderation.moderation import Moderation
from rostra.arena.prompts import Prompts, read_prompts
from rostra.arena.refresh.refresher import Refresher
from rostra.arena.results import ResultsReader
from rostra.arena.round import Round
from rostra.arena.settings import ArenaSettings
from rostra.arena.standings import StandingsReader
from rostra.arena.votes.records import Mode, Ticket
from rostra.arena.votes.store import VoteStore


@dataclass(frozen=True)
class Arena:
    settings: ArenaSettings
    store: VoteStore
    client: GatewayClient
    matchmaker: Policy
    refresher: Refresher
    standings: StandingsReader
    results: ResultsReader
    prompts: Prompts
    live: LiveRounds
    claims: Claims
    access: Access
    limits: Limits
    proofs: Proofs
    moderation: Moderation

    @classmethod
    def open(cls, settings: ArenaSettings, client: GatewayClient) -> Arena:
        """Opens the vote store, creating or upgrading it. Blocks; raises `ArenaError`."""
        longest, file = settings.max_prompt_chars, settings.prompts_file
        prompts = Prompts(
            read_prompts(file, longest) if file else (), settings.suggested_prompts or ()
        )
        store = VoteStore(settings.votes_url)
        return cls(
            settings=settings,
            store=store,
            client=client,
            matchmaker=open_policy(settings, of_store(settings.votes_url)),
            refresher=Refresher(settings),
            standings=StandingsReader(settings.ratings_dir),
            results=ResultsReader(settings.ratings_dir),
            prompts=prompts,
            live=LiveRounds(settings.resume_grace),
            claims=Claims(),
            access=Access(
                settings.access,
                secret(
                    settings.access.cookie_secret,
                    secret_folder(settings.votes_url, settings.ratings_dir),
                ),
            ),
            limits=Limits(settings.access.limits),
            proofs=Proofs(settings.access.proof_of_work),
            moderation=Moderation(settings.moderation),
        )

    def new_round(
        self,
        contestants: Mapping[Side, Contestant],
        mode: Mode,
        voter: str,
        matchmaking: Mapping[str, Any] | None = None,
    ) -> Round:
        return Round(contestants, mode, self.store, self.client, voter, matchmaking)

    async def resume(self, ticket: Ticket, mode: Mode) -> Round | None:
        """The round of a ticket, from memory while it lives there, else from the store.

        `None` where the ticket entitles to nothing in this mode.
        """
        live = self.live.find(ticket.battle_id)
        if live is not None:
            return live if live.ticket == ticket and live.mode == mode else None
        try:
            stored = await asyncio.to_thread(self.store.resume, ticket)
        except VoteRefusedError:
            return None
        if stored.mode != mode:
            return None
        contestants: dict[Side, Contestant] = {"a": self._contestant(stored.settings_a)}
        if stored.settings_b is not None:
            contestants["b"] = self._contestant(stored.settings_b)
        return Round.resumed(contestants, stored, ticket, self.store, self.client)

    def _contestant(self, settings: dict[str, Any]) -> Contestant:
        """As it was when the battle began, with the aliases, which are not stored."""
        then = Contestant.model_validate(settings)
        now = next((each for each in self.settings.contestants if each.name == then.name), then)
        return then.model_copy(update={"aliases": now.aliases})
