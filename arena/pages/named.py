"""Contestants that the voter chooses by name."""

from __future__ import annotations

from typing import Any

from rostra.arena.access.voter import Voter
from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.contestant import Contestant
from rostra.arena.errors import ToldVoterError
from rostra.arena.pages.round_view import RoundView
from rostra.arena.state import Arena
from rostra.arena.texts import Texts


class NamedView(RoundView):
    """One choice for each side."""

    def __init__(
        self, arena: Arena, campaign: Campaign, voter: Voter, texts: Texts, **params: Any
    ) -> None:
        entries = campaign.playing
        sides = params.get("sides", ["a", "b"])
        super().__init__(
            arena,
            campaign,
            voter,
            texts,
            contestants=[[entry.name, entry.label] for entry in entries],
            chosen={side: entry.name for side, entry in zip(sides, entries, strict=False)},
            **params,
        )

    def _contestant(self, name: object, *, images: bool) -> Contestant:
        known = {entry.name: entry for entry in self.campaign.playing}
        if not isinstance(name, str) or name not in known:
            raise ToldVoterError(self._texts("status.unknown"))
        if images and not self._arena.image_takers.takes(known[name]):
            raise ToldVoterError(self._texts("image.not_taken"))
        return known[name]
