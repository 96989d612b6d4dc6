"""Images to the next question of one page: what its browser is told, and what it may send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rostra.arena.access.voter import Voter
from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.errors import ToldVoterError
from rostra.arena.images.picture import Picture
from rostra.arena.round import Round
from rostra.arena.state import Arena
from rostra.arena.texts import Texts


class Attachments:
    def __init__(self, arena: Arena, voter: Voter, texts: Texts) -> None:
        self._uploads = arena.uploads
        self._takers = arena.image_takers
        self._texts = texts
        self._basket = arena.uploads.open(voter, texts)

    def close(self) -> None:
        """The page is gone."""
        self._uploads.close(self._basket)

    def shown(self, campaign: Campaign, current: Round | None, *, blind: bool) -> dict[str, Any]:
        """For the browser. `goes_on`: whether the next question of this round may have some.

        A blind round tells with whether images may be added what its pair takes. So it takes them
        only where the pair was drawn for them.
        """
        settings = self._uploads.settings
        meeting = campaign.meeting if blind else campaign.playing
        takers = [each.name for each in self._takers.among(meeting)]
        offered = settings.most > 0 and len(takers) >= (2 if blind else 1)
        return {
            "basket": self._basket.secret,
            "most": settings.most,
            "max_bytes": settings.max_bytes,
            "offered": offered,
            "takers": [] if blind or not offered else takers,
            "goes_on": offered and current is not None and self._goes_on(current),
        }

    def found(self, sent: object, current: Round | None, *, fresh: bool) -> list[Picture]:
        """The images that a question names, which stay until they are dropped. `fresh`: it begins a
        round. Raises `ToldVoterError` where they cannot go with it."""
        references = self._references(sent)
        if not references:
            return []
        settings = self._uploads.settings
        if len(references) > settings.most:
            raise ToldVoterError(self._texts("image.too_many", most=settings.most))
        found = self._basket.find(references)
        before = 0
        if current is not None and not fresh:
            if not self._goes_on(current):
                raise ToldVoterError(
                    self._texts("image.first" if current.mode == "battle" else "image.not_taken")
                )
            before = sum(len(each.data) for turn in current.images for each in turn)
        if before + sum(len(each.data) for each in found) > settings.max_round_bytes:
            raise ToldVoterError(self._texts("image.round_full"))
        return found

    def drop(self, sent: object) -> None:
        """They were asked about, or are not wanted any more."""
        self._basket.drop(self._references(sent))

    def _goes_on(self, current: Round) -> bool:
        if current.mode == "battle":
            return any(current.images)
        return all(map(self._takers.takes, current.contestants.values()))

    @staticmethod
    def _references(sent: object) -> Sequence[str]:
        return [str(each) for each in sent] if isinstance(sent, list) else []


def sizes(current: Round) -> list[list[list[int]]]:
    """By turn, width and height of its images."""
    return [[[each.width, each.height] for each in turn] for turn in current.images]
