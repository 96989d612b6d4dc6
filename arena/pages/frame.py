"""What every page has around it: the header, the theme, the style sheet."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import panel as pn
from bokeh.document import Document
from panel.viewable import Viewable

from rostra.arena.access.access import voter_of
from rostra.arena.access.guard import LOGIN_PATH
from rostra.arena.access.voter import Voter
from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.campaigns.settings import DEFAULT
from rostra.arena.pages.lean import define_what_is_there
from rostra.arena.pages.templates import source, template
from rostra.arena.ratings.plots.assets import TOKENS_CSS
from rostra.arena.state import Arena
from rostra.arena.texts import NAMES, Language, Texts
from rostra.arena.texts.choice import choose
from rostra.arena.votes.records import Mode

STYLE = TOKENS_CSS + source("frame.css")
THEME_JS = source("theme.js")
HEADER_JS = source("header.js")
LINKS = {
    "battle": "",
    "side_by_side": "/side-by-side",
    "chat": "/chat",
    "leaderboard": "/leaderboard",
    "analyst": "/analyst",
    "how": "/how",
}
"""What stands behind the base of a campaign, by the page's key in the texts."""
CAMPAIGNS = "/campaigns"
ADMIN = "/admin"
OF_MODES: dict[str, Mode] = {"battle": "battle", "side_by_side": "side_by_side", "chat": "direct"}
"""Pages that are there where the campaign offers the mode."""
THEME_COOKIE = "rostra-theme"
LANGUAGE_COOKIE = "rostra-language"
CONSENT_COOKIE = "rostra-consent"
COOKIES = [THEME_COOKIE, LANGUAGE_COOKIE, CONSENT_COOKIE, f"{CONSENT_COOKIE}-{DEFAULT}"]
"""What a session is told of. Its token is in the page for every script to read, and tells all that
the session was told."""


def session() -> Document:
    """The document of the session that a page is being made for."""
    if pn.state.curdoc is None:
        raise RuntimeError("a page is made outside a session")
    return pn.state.curdoc


def voter() -> Voter:
    """Whose session it is that a page is being made for."""
    context: Any = session().session_context
    return voter_of(context.request)


def texts_for(campaign: Campaign) -> Texts:
    """In the language of the session that a page is being made for."""
    header = str(pn.state.headers.get("Accept-Language", ""))
    chosen = pn.state.cookies.get(LANGUAGE_COOKIE)
    return campaign.texts(choose(chosen, campaign.arena.language, header))


def consent_cookie(campaign: Campaign) -> str:
    """Its path is the campaign's, so one name does for all; but the default one's comes with the
    requests of every campaign."""
    return f"{CONSENT_COOKIE}-{DEFAULT}" if campaign.name == DEFAULT else CONSENT_COOKIE


def links(arena: Arena, campaign: Campaign, words: Texts) -> list[list[str]]:
    """Label and address of what stands in the header."""
    modes = (None, *campaign.settings.modes)
    offered = [key for key in LINKS if OF_MODES.get(key) in modes]
    found = [[words(f"nav.{key}"), address(campaign, key)] for key in offered]
    if len(arena.campaigns.seen_by(voter())) > 1:
        found.append([words("nav.campaigns"), CAMPAIGNS])
    if voter().admin:
        found.append([words("nav.admin"), ADMIN])
    if arena.settings.access.has_logins:
        label = words("nav.login" if voter().name is None else "nav.account")
        back = quote(address(campaign, offered[0]))
        found.append([label, f"{LOGIN_PATH}?next={back}"])
    return found


def address(campaign: Campaign, key: str) -> str:
    return f"{campaign.base}{LINKS[key]}" or "/"


def page(
    arena: Arena,
    campaign: Campaign,
    view: Viewable,
    *,
    key: str,
    language: Language = "en",
    current: str | None = None,
) -> Viewable:
    """`view` as all of the content of a page of the campaign, in `language`. `key`: of its name, in
    the section `nav` of the texts; `current`: its address, that of the key where it is None."""
    words = texts_for(campaign)
    theme = pn.state.cookies.get(THEME_COOKIE)
    accent = campaign.settings.accent
    document = session()
    # One set of models is all that is live; what stands around it costs a template.
    document.template = template("frame.html")
    document.template_variables.update(
        language=language,
        words=words,
        heading=f"{words(f'nav.{key}')} · {campaign.title}",
        theme=theme if theme in ("light", "dark") else "",
        style=STYLE + accent.css if accent else STYLE,
        theme_script=THEME_JS,
        header_script=HEADER_JS,
        fills=view.sizing_mode == "stretch_both",
        brand=campaign.title,
        logo=f"{campaign.base}/logo?{campaign.logo.version}" if campaign.logo else "",
        home=campaign.home,
        links=links(arena, campaign, words),
        current=address(campaign, key) if current is None else current,
        languages=NAMES,
    )
    define_what_is_there(document)
    return view
