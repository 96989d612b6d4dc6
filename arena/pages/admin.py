"""The admin page: one over all campaigns. Its parts are made on the server and come as HTML."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import param
from markupsafe import Markup
from panel.custom import JSComponent

from rostra.arena.admin.changes import PAGE, Changed
from rostra.arena.admin.figures import PERIODS, Counted, Served
from rostra.arena.admin.form import CHOICES, FIELDS, values
from rostra.arena.admin.health import Health, Window
from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.contestant import Contestant
from rostra.arena.pages.templates import HERE, fill_in, source
from rostra.arena.ratings.plots.assets import DOCUMENT_CSS
from rostra.arena.ratings.storage import latest
from rostra.arena.refresh.odd_voters import OddVotersFound, load_odd_voters
from rostra.arena.state import Arena
from rostra.arena.votes.transfer.forms import FORMS
from rostra.arena.votes.transfer.identities import IDENTITIES

DAYS = 7
"""What votes are counted over at first."""
NOBODY = Health(Window(), Window())


class AdminView(JSComponent):
    """Asks the server for what it shows, again and again, as long as it is let in."""

    html = param.String()

    _esm = HERE / "admin.js"
    _stylesheets: ClassVar[list[str]] = [DOCUMENT_CSS + source("admin.css")]


@dataclass(frozen=True)
class Entry:
    """One line of the table of contestants."""

    contestant: Contestant
    health: Health
    listed: bool | None
    """By the gateway; `None`: it did not say."""
    campaigns: tuple[Campaign, ...]
    """Those it is in."""


def skeleton() -> str:
    """HTML of the page before anything is known."""
    return fill_in("admin.html", periods=PERIODS, days=DAYS)


async def parts(arena: Arena, counted: Counted, days: int, sessions: int) -> dict[str, str]:
    """HTML by the ids of the page's sections. `sessions`: pages that are open."""
    served = await arena.figures.served()
    campaigns = arena.campaigns.all()
    odd = await asyncio.to_thread(_odd, campaigns)
    now = datetime.now(UTC)
    return {
        "now": fill_in(
            "admin_now.html",
            counted=counted,
            rounds=len(arena.live),
            sessions=sessions,
            moderation=arena.moderation,
            utc=utc,
        ),
        "contestants": fill_in(
            "admin_contestants.html",
            entries=_entries(arena, campaigns, counted, served),
            served=served,
            utc=utc,
            seconds=seconds,
        ),
        "campaigns": fill_in(
            "admin_campaigns.html",
            campaigns=campaigns,
            votes=counted.breakdown.campaigns,
            faults=arena.campaigns.faults,
            now=now,
            utc=utc,
            period=PERIODS[days],
        ),
        "votes": fill_in(
            "admin_votes.html", found=counted.breakdown, period=PERIODS[days], utc=utc
        ),
        "odd": fill_in("admin_odd.html", odd=odd),
        "refused": fill_in(
            "admin_refused.html",
            refused=counted.breakdown.refused,
            moderation=arena.moderation,
            period=PERIODS[days],
            utc=utc,
        ),
        "export": fill_in(
            "admin_export.html", forms=FORMS, identities=IDENTITIES, campaigns=campaigns
        ),
        "changes": fill_in(
            "admin_changes.html",
            changes=counted.changes,
            more=len(counted.changes) == PAGE,
            utc=utc,
            told=told,
        ),
    }


def change_rows(changes: list[Changed]) -> str:
    """HTML of rows of the table of changes."""
    return fill_in("admin_change_rows.html", changes=changes, utc=utc, told=told)


def form(arena: Arena, campaign: Campaign | None, files: Mapping[str, object]) -> str:
    """HTML of the form of a campaign, for `None` of a new one; read-only for one of the file."""
    settings = None if campaign is None else campaign.settings
    choices: dict[str, dict[str, str]] = {
        **CHOICES,
        "contestants": {each.name: each.label for each in arena.settings.contestants},
        "prompts_file": {"": "none", **{name: name for name in files}},
        "logo": {"": "none", **{name: name for name in files}},
    }
    return fill_in(
        "admin_form.html",
        campaign=campaign,
        fields=FIELDS,
        values=values(settings),
        choices=choices,
        locked=campaign is not None and campaign.source == "file",
        now=datetime.now(UTC),
    )


def _entries(
    arena: Arena, campaigns: list[Campaign], counted: Counted, served: Served
) -> list[Entry]:
    return [
        Entry(
            each,
            counted.health.get(each.name, NOBODY),
            None if served.models is None else each.served_name in served.models,
            tuple(
                campaign
                for campaign in campaigns
                if each.name in {other.name for other in campaign.contestants}
            ),
        )
        for each in arena.settings.contestants
    ]


def _odd(campaigns: list[Campaign]) -> list[tuple[Campaign, OddVotersFound | None]]:
    found = []
    for campaign in campaigns:
        folder = latest(campaign.arena.ratings_dir)
        found.append((campaign, None if folder is None else load_odd_voters(folder)))
    return found


def utc(moment: datetime, *, seconds: bool = False) -> Markup:
    """As `<time>`."""
    moment = moment.astimezone(UTC)
    shown = f"{moment:%Y-%m-%d %H:%M:%S}" if seconds else f"{moment:%Y-%m-%d %H:%M}"
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), shown)


def seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"


def told(change: Changed) -> list[tuple[str, str, str]]:
    """What is different: its place, what it was and what it became; "" for what was not there."""
    before, after = change.before, change.after
    if not isinstance(before, dict) and not isinstance(after, dict):
        return [("", _shown(before), _shown(after))]
    old, new = before or {}, after or {}
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return [(name, _shown(old.get(name)), _shown(new.get(name))) for name in names]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
