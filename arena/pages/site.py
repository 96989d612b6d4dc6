"""What stands at which path of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import panel as pn
from panel.viewable import Viewable

from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.campaigns.door import admitted
from rostra.arena.pages.admin import AdminView, skeleton
from rostra.arena.pages.analyst import AnalystView, analyst
from rostra.arena.pages.battle import BattleView
from rostra.arena.pages.campaigns import campaigns
from rostra.arena.pages.chat import ChatView
from rostra.arena.pages.document import document
from rostra.arena.pages.frame import (
    ADMIN,
    CAMPAIGNS,
    LINKS,
    OF_MODES,
    consent_cookie,
    page,
    texts_for,
    voter,
)
from rostra.arena.pages.leaderboard import LeaderboardView, leaderboard
from rostra.arena.pages.round_view import RoundView
from rostra.arena.pages.side_by_side import SideBySideView
from rostra.arena.pages.templates import fill_in
from rostra.arena.ratings.plots.assets import themes
from rostra.arena.state import Arena


def round_page(arena: Arena, campaign: Campaign, key: str, kind: type[RoundView]) -> Viewable:
    words = texts_for(campaign)
    agreed = str(pn.state.cookies.get(consent_cookie(campaign), ""))
    view = kind(arena, campaign, voter(), words, agreed=agreed)
    pn.state.on_session_destroyed(lambda _context: view.leave())
    return page(arena, campaign, view, key=key, language=words.language)


def leaderboard_page(arena: Arena, campaign: Campaign) -> Viewable:
    words = texts_for(campaign)
    view = LeaderboardView(
        base=campaign.base,
        language=words.language,
        words=words.section("leaderboard_script"),
        sizing_mode="stretch_width",
        margin=0,
    )

    async def fill() -> None:
        view.html = await leaderboard(campaign, arena.store, words)

    pn.state.onload(fill)
    return page(arena, campaign, view, key="leaderboard", language=words.language)


def analyst_page(arena: Arena, campaign: Campaign) -> Viewable:
    view = AnalystView(base=campaign.base, sizing_mode="stretch_width", margin=0)

    async def fill() -> None:
        view.themes = await asyncio.to_thread(themes)
        view.html = await analyst(campaign, arena.store)

    pn.state.onload(fill)
    return page(arena, campaign, view, key="analyst")


def how_page(arena: Arena, campaign: Campaign) -> Viewable:
    language = texts_for(campaign).language
    view = document(fill_in(f"how.{language}.html"))
    return page(arena, campaign, view, key="how", language=language)


def campaigns_page(arena: Arena) -> Viewable:
    campaign = arena.campaigns.default
    words = texts_for(campaign)
    view = document(campaigns(arena, voter(), words, datetime.now(UTC)))
    return page(arena, campaign, view, key="campaigns", language=words.language, current=CAMPAIGNS)


def admin_page(arena: Arena) -> Viewable:
    view = AdminView(html=skeleton(), sizing_mode="stretch_width", margin=0)
    return page(arena, arena.campaigns.default, view, key="admin", current=ADMIN)


PAGES: dict[str, Callable[[Arena, Campaign], Viewable]] = {
    "battle": partial(round_page, key="battle", kind=BattleView),
    "side_by_side": partial(round_page, key="side_by_side", kind=SideBySideView),
    "chat": partial(round_page, key="chat", kind=ChatView),
    "leaderboard": leaderboard_page,
    "analyst": analyst_page,
    "how": how_page,
}
"""Of each campaign, by their keys in `LINKS`."""


def site(arena: Arena) -> dict[str, Any]:
    """Pages by path. One template serves all campaigns but the default one, those too that are yet
    to come."""
    return {
        base + LINKS[key] or "/": _function(_in_campaign, arena, key)
        for base in ("", "/c/{campaign}")
        for key in PAGES
    } | {CAMPAIGNS: _function(campaigns_page, arena), ADMIN: _function(admin_page, arena)}


def _function(make: Callable[..., Viewable], *given: object) -> Callable[[], Viewable]:
    """Panel calls functions, and shows a `partial` as a value."""
    return lambda: make(*given)


def _in_campaign(arena: Arena, key: str) -> Viewable:
    # `Door` has asked already, but not where a socket begins a session of its own.
    campaign = admitted(arena.campaigns, pn.state.route_params.get("campaign"), voter())
    if campaign is None or OF_MODES.get(key) not in (None, *campaign.settings.modes):
        return document(fill_in("error.html", message="There is no such page here."))
    return PAGES[key](arena, campaign)
