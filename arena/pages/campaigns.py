"""The page that lists the campaigns which a voter may see, and the page of one who may not."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from markupsafe import Markup
from tornado.web import RequestHandler

from rostra.arena.access.voter import Voter
from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.pages.entrance import moment, progress
from rostra.arena.pages.frame import CAMPAIGNS, LANGUAGE_COOKIE, THEME_COOKIE
from rostra.arena.pages.templates import fill_in
from rostra.arena.ratings.plots.assets import DOCUMENT_CSS, TOKENS_CSS
from rostra.arena.state import Arena
from rostra.arena.texts import Texts, texts
from rostra.arena.texts.choice import choose


def campaigns(arena: Arena, voter: Voter, words: Texts, now: datetime) -> str:
    """HTML."""
    return fill_in(
        "campaigns.html",
        words=words,
        none=words("campaign.none"),
        campaigns=[_line(each, words, now) for each in arena.campaigns.seen_by(voter)],
    )


def _line(campaign: Campaign, words: Texts, now: datetime) -> dict[str, Any]:
    settings, stage = campaign.settings, campaign.stage(now)
    if stage == "before" and settings.opens is not None:
        stands = words("campaign.opens", date=moment(settings.opens))
    elif stage == "open" and settings.closes is not None:
        stands = words("campaign.open_until", date=moment(settings.closes))
    else:
        stands = words("campaign.open" if stage == "open" else "campaign.closed")
    return {
        "home": campaign.home,
        "title": campaign.title,
        "stands": stands,
        "progress": progress(campaign, words).get("text", ""),
        "results": f"{campaign.base}/leaderboard",
    }


def refused(arena: Arena, handler: RequestHandler, status: int, key: str) -> str:
    """HTML of a whole page, which loads nothing. `key`: of the text that says what is wrong."""
    header = handler.request.headers.get("Accept-Language", "")
    language = choose(handler.get_cookie(LANGUAGE_COOKIE), arena.settings.language, header)
    words = texts(language)
    theme = handler.get_cookie(THEME_COOKIE)
    return fill_in(
        "refused.html",
        words=words,
        title=f"{words('campaign.refused')} ({status})",
        lead=words(key),
        index=CAMPAIGNS,
        theme=theme if theme in ("light", "dark") else "",
        css=Markup(TOKENS_CSS + DOCUMENT_CSS.replace(":host", "body")),
    )
