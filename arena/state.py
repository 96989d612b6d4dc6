"""What the pages share: the store, the gateway, the campaigns, the rounds in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rostra.arena.access.access import Access
from rostra.arena.access.limits import Limits
from rostra.arena.access.proof import Proofs
from rostra.arena.access.secret import secret, secret_folder
from rostra.arena.access.voter import Voter
from rostra.arena.admin.figures import Figures
from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.campaigns.registry import Campaigns
from rostra.arena.claims import Claims
from rostra.arena.contestant import Contestant
from rostra.arena.errors import VoteRefusedError
from rostra.arena.gateway_client import GatewayClient
from rostra.arena.images.takers import ImageTakers
from rostra.arena.images.uploads import Uploads
from rostra.arena.live import LiveRounds
from rostra.arena.matchmaking import Side
from rostra.arena.moderation.moderation import Moderation
from rostra.arena.refresh.refresher import Refresher, job
from rostra.arena.round import Opening, Round
from rostra.arena.settings import ArenaSettings
from rostra.arena.votes.records import Mode, Ticket
from rostra.arena.votes.store import VoteStore


@dataclass(frozen=True)
class Arena:
    settings: ArenaSettings
    store: VoteStore
    client: GatewayClient
    campaigns: Campaigns
    refresher: Refresher
    live: LiveRounds
    claims: Claims
    access: Access
    limits: Limits
    proofs: Proofs
    moderation: Moderation
    figures: Figures
    image_takers: ImageTakers
    uploads: Uploads

    @classmethod
    def open(cls, settings: ArenaSettings, client: GatewayClient) -> Arena:
        """Opens the vote store, creating or upgrading it. Blocks; raises `ArenaError`."""
        store = VoteStore(settings.votes_url)
        campaigns = Campaigns(settings, store)
        limits = Limits(settings.access.limits)
        arena = cls(
            settings=settings,
            store=store,
            client=client,
            campaigns=campaigns,
            refresher=Refresher(()),
            live=LiveRounds(settings.resume_grace),
            claims=Claims(),
            access=Access(
                settings.access,
                secret(
                    settings.access.cookie_secret,
                    secret_folder(settings.votes_url, settings.ratings_dir),
                ),
            ),
            limits=limits,
            proofs=Proofs(settings.access.proof_of_work),
            moderation=Moderation(settings.moderation),
            figures=Figures(settings.votes_url, client),
            image_takers=ImageTakers(client),
            uploads=Uploads(settings.images, limits),
        )
        campaigns.on_change = arena.rate_campaigns
        arena.rate_campaigns()
        return arena

    def rate_campaigns(self) -> None:
        """Has the votes of the campaigns that there are now rated, and of no others."""
        self.refresher.set_jobs(
            job(each.arena, each.name, each.without) for each in self.campaigns.all()
        )

    def new_round(
        self,
        campaign: Campaign,
        contestants: Mapping[Side, Contestant],
        mode: Mode,
        voter: Voter,
        *,
        consent_sha256: bytes | None = None,
        matchmaking: Mapping[str, Any] | None = None,
    ) -> Round:
        """`consent_sha256`: of the text that the voter agreed to; `matchmaking`: how they were
        drawn."""
        opening = Opening(campaign.name, voter.key, voter.groups, consent_sha256, matchmaking)
        return Round(contestants, mode, self.store, self.client, opening)

    async def resume(self, ticket: Ticket, campaign: str, mode: Mode) -> Round | None:
        """The round of a ticket, from memory while it lives there, else from the store.

        `None` where the ticket entitles to nothing in this mode of this campaign.
        """
        live = self.live.find(ticket.battle_id)
        if live is not None:
            same = live.ticket == ticket and (live.campaign, live.mode) == (campaign, mode)
            return live if same else None
        try:
            stored = await asyncio.to_thread(self.store.resume, ticket)
        except VoteRefusedError:
            return None
        if (stored.campaign, stored.mode) != (campaign, mode):
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
