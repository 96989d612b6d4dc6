"""What a campaign says to a voter before a question: that it is not open, or asks for consent."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from rostra.arena.access.voter import Voter
from rostra.arena.campaigns.campaign import Campaign, Stage
from rostra.arena.campaigns.registry import Campaigns
from rostra.arena.errors import ToldVoterError
from rostra.arena.texts import Texts


class Entrance:
    """One campaign to one voter, as it is at each moment: it may change, close or go while the
    voter's page is open."""

    def __init__(
        self, campaigns: Campaigns, campaign: Campaign, voter: Voter, texts: Texts, agreed: str
    ) -> None:
        """`agreed`: SHA-256, in hexadecimal, of the text that the voter agreed to; may be
        anything."""
        self._campaigns = campaigns
        self._last = campaign
        self._voter = voter
        self._texts = texts
        self.agreed = agreed

    @property
    def campaign(self) -> Campaign:
        """As it is now, or as it was last before it went."""
        self._last = self._campaigns.get(self._last.name) or self._last
        return self._last

    def check(self, fresh: bool) -> None:
        """Raises `ToldVoterError` where a question may not be asked. `fresh`: it begins a round,
        for which the consent must be to the text as it is now."""
        stage = self._stage()
        if stage == "before":
            raise ToldVoterError(self._texts("campaign.no_question_before"))
        if stage == "closed":
            raise ToldVoterError(self._texts("campaign.no_question_closed"))
        if fresh and self._asks_consent:
            raise ToldVoterError(self._texts("campaign.consent_first"))

    def shown(self) -> dict[str, Any]:
        """Parameters of the page: `progress`, and as `entrance` what stands in place of the line
        for a question, empty where one may be asked."""
        return {
            "entrance": self._in_place_of_a_question(),
            "progress": progress(self.campaign, self._texts),
        }

    def _stage(self) -> Stage:
        there = self._campaigns.get(self._last.name)
        if there is None or not there.admits(self._voter):
            return "closed"
        return there.stage(datetime.now(UTC))

    @property
    def _asks_consent(self) -> bool:
        return bool(self.campaign.settings.consent_hashes) and self.consent_sha256 is None

    @property
    def consent_sha256(self) -> bytes | None:
        """Of the text that was agreed to, where it is one of the campaign's as it is now."""
        hashes = self.campaign.settings.consent_hashes
        return next((each for each in hashes if each.hex() == self.agreed), None)

    def _in_place_of_a_question(self) -> dict[str, Any]:
        """`kind`, `title`, `lead`, `links` of label and address; for consent also `html`, `sha256`
        and `action`."""
        campaign, texts, stage = self.campaign, self._texts, self._stage()
        settings = campaign.settings
        if stage == "before" and settings.opens is not None:
            return {
                "kind": stage,
                "title": texts("campaign.before"),
                "lead": texts("campaign.opens", date=moment(settings.opens)),
                "links": [],
            }
        if stage == "closed":
            return {
                "kind": stage,
                "title": texts("campaign.closed"),
                "lead": texts("campaign.closed_lead"),
                "links": [[texts("campaign.results"), f"{campaign.base}/leaderboard"]],
            }
        if self._asks_consent:
            text = settings.consent_in(texts.language)
            return {
                "kind": "consent",
                "title": texts("campaign.consent"),
                "lead": texts("campaign.consent_lead"),
                "html": campaign.consent_html(texts.language),
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
                "action": texts("campaign.agree"),
                "links": [],
            }
        return {}


def progress(campaign: Campaign, texts: Texts) -> dict[str, Any]:
    """How many votes there are of those that are wanted; empty where no number is. Nothing of who
    was voted for is in it."""
    target = campaign.settings.target
    if target is None:
        return {}
    votes = min(campaign.progress.votes, target)
    key = "campaign.reached" if votes == target else "campaign.progress"
    return {
        "votes": votes,
        "target": target,
        "text": texts(key, votes=f"{votes:,}", target=f"{target:,}"),
    }


def moment(at: datetime) -> str:
    """As in `2026-12-01, 09:00 (UTC+01:00)`, in the zone that the operator wrote it in."""
    offset = f"{at:%z}"
    zone = f"UTC{offset[:3]}:{offset[3:5]}" if at.utcoffset() else "UTC"
    return f"{at:%Y-%m-%d, %H:%M} ({zone})"
