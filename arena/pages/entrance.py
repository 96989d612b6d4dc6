"""What a campaign says to a voter before a question: that it is not open, or asks for consent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.errors import ToldVoterError
from rostra.arena.texts import Texts


def shown(campaign: Campaign | None, agreed: str, texts: Texts, now: datetime) -> dict[str, Any]:
    """What stands in place of the line for a question; empty where a question may be asked.

    `campaign` is None for one that is gone. `agreed`: SHA-256, in hexadecimal, of the text that the
    voter agreed to. The result has `kind`, `title`, `lead`, and for consent `html`, `sha256` and
    `action`, for a closed one `links` of label and address.
    """
    stage = "closed" if campaign is None else campaign.stage(now)
    if stage == "before" and campaign is not None and campaign.settings.opens is not None:
        return {
            "kind": stage,
            "title": texts("campaign.before"),
            "lead": texts("campaign.opens", date=moment(campaign.settings.opens)),
            "links": [],
        }
    if stage == "closed":
        results = [] if campaign is None else [[texts("campaign.results"), _results(campaign)]]
        return {
            "kind": stage,
            "title": texts("campaign.closed"),
            "lead": texts("campaign.closed_lead"),
            "links": results,
        }
    if campaign is not None and asks_consent(campaign, agreed):
        return {
            "kind": "consent",
            "title": texts("campaign.consent"),
            "lead": texts("campaign.consent_lead"),
            "html": campaign.consent_html,
            "sha256": _consent(campaign),
            "action": texts("campaign.agree"),
            "links": [],
        }
    return {}


def check(campaign: Campaign | None, agreed: str, fresh: bool, texts: Texts, now: datetime) -> None:
    """Raises `ToldVoterError` where a question may not be asked. `fresh`: it begins a round, for
    which the consent must be to the text as it is now."""
    stage = "closed" if campaign is None else campaign.stage(now)
    if stage != "open":
        raise ToldVoterError(
            texts("campaign.no_question_before")
            if stage == "before"
            else texts("campaign.no_question_closed")
        )
    if fresh and campaign is not None and asks_consent(campaign, agreed):
        raise ToldVoterError(texts("campaign.consent_first"))


def asks_consent(campaign: Campaign, agreed: str) -> bool:
    return bool(campaign.settings.consent) and agreed != _consent(campaign)


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
    return f"{at:%Y-%m-%d, %H:%M} ({at.tzname()})"


def _consent(campaign: Campaign) -> str:
    return (campaign.settings.consent_sha256 or b"").hex()


def _results(campaign: Campaign) -> str:
    return f"{campaign.base}/leaderboard"
