"""Campaigns of the vote store, and contestants that are paused, as the admin page changes them.

Each function that changes something is for a session that writes (`VoteStore.changing`); what it
changes and the `Change` that tells of it are in one transaction. `who` is the admin's login.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rostra.arena.campaigns.settings import CampaignSettings
from rostra.arena.errors import ArenaError
from rostra.arena.votes.models import Change, PausedContestant, StoredCampaign


class CampaignChangedError(ArenaError):
    """Somebody else changed it first."""


@dataclass(frozen=True)
class Stored:
    """What the store says of campaigns, at one moment."""

    campaigns: Mapping[str, tuple[int, dict[str, Any]]]
    """By name, version and settings as `CampaignSettings` in JSON."""
    paused: Mapping[str, frozenset[str]]
    """By campaign, names of contestants."""


def read(session: Session) -> Stored:
    paused: dict[str, set[str]] = defaultdict(set)
    for campaign, contestant in session.execute(
        select(PausedContestant.campaign, PausedContestant.contestant)
    ):
        paused[campaign].add(contestant)
    rows = session.execute(
        select(StoredCampaign.name, StoredCampaign.version, StoredCampaign.settings)
    )
    return Stored(
        {name: (version, settings) for name, version, settings in rows},
        {campaign: frozenset(names) for campaign, names in paused.items()},
    )


def create(session: Session, who: str, settings: CampaignSettings) -> int:
    """Its version, 1. Raises ArenaError where the store has one of the name. Whether it fits the
    arena is for `Campaigns.check` to say."""
    kept = _json(settings)
    session.add(StoredCampaign(name=settings.name, settings=kept, version=1, changed_at=_now()))
    try:
        session.flush()
    except IntegrityError:
        raise ArenaError(f"there is a campaign {settings.name!r} already") from None
    _tell(session, who, "create campaign", settings.name, None, kept)
    return 1


def change(session: Session, who: str, settings: CampaignSettings, version: int) -> int:
    """Its new version. `version`: the one that was seen; raises CampaignChangedError when it is
    another one by now, or gone."""
    campaign = _seen(session, settings.name, version)
    before, after = campaign.settings, _json(settings)
    if before == after:
        return version
    campaign.settings, campaign.version, campaign.changed_at = after, version + 1, _now()
    _tell(session, who, "change campaign", settings.name, before, after)
    return version + 1


def delete(session: Session, who: str, name: str, version: int) -> None:
    """Its pages are gone; its votes and ratings stay. Raises as `change` does."""
    campaign = _seen(session, name, version)
    _tell(session, who, "delete campaign", name, campaign.settings, None)
    session.delete(campaign)


def pause(session: Session, who: str, campaign: str, contestant: str) -> bool:
    """From the next draw on. Whether it was not paused before."""
    if session.get(PausedContestant, (campaign, contestant), with_for_update=True) is not None:
        return False
    session.add(PausedContestant(campaign=campaign, contestant=contestant, at=_now()))
    try:
        session.flush()
    except IntegrityError:
        raise CampaignChangedError(
            f"somebody else has just paused {contestant!r}; look again"
        ) from None
    _tell(session, who, "pause", f"{campaign}/{contestant}", False, True)
    return True


def resume(session: Session, who: str, campaign: str, contestant: str) -> bool:
    """Whether it was paused before."""
    paused = session.get(PausedContestant, (campaign, contestant), with_for_update=True)
    if paused is None:
        return False
    session.delete(paused)
    _tell(session, who, "resume", f"{campaign}/{contestant}", True, False)
    return True


def _seen(session: Session, name: str, version: int) -> StoredCampaign:
    campaign = session.get(StoredCampaign, name, with_for_update=True)
    if campaign is None:
        raise CampaignChangedError(f"there is no campaign {name!r} any more")
    if campaign.version != version:
        raise CampaignChangedError(
            f"somebody else has changed the campaign {name!r} meanwhile (version "
            f"{campaign.version}, you saw {version}); look again"
        )
    return campaign


def _json(settings: CampaignSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude_unset=True)


def _tell(
    session: Session, who: str, action: str, subject: str, before: object, after: object
) -> None:
    session.add(
        Change(at=_now(), who=who, action=action, subject=subject, before=before, after=after)
    )


def _now() -> datetime:
    return datetime.now(UTC)
