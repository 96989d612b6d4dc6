"""What every page has around it: the header, the theme, the style sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import panel as pn
import param
from bokeh.document import Document
from panel.custom import JSComponent
from panel.io.resources import get_dist_path
from panel.viewable import Viewable
from panel_material_ui.template.base import Page

from rostra.arena.access.access import voter_of
from rostra.arena.access.guard import LOGIN_PATH
from rostra.arena.access.voter import Voter
from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.campaigns.settings import DEFAULT
from rostra.arena.pages.lean import apart
from rostra.arena.ratings.plots.assets import TOKENS_CSS
from rostra.arena.state import Arena
from rostra.arena.texts import NAMES, Language, Texts
from rostra.arena.texts.choice import choose
from rostra.arena.votes.records import Mode

HERE = Path(__file__).parent
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


class Nav(JSComponent):
    """The links of the header and the choice of language."""

    brand = param.String()
    logo = param.String(doc="Address of a picture beside it; empty: none.")
    home = param.String(doc="Address of the first page.")
    label = param.String(doc="What the links are, for those who hear the page.")
    language = param.String()
    languages = param.List(default=[list(item) for item in NAMES.items()])
    language_label = param.String()
    current = param.String(doc="Path of the page it stands on.")
    links = param.List()
    dark = param.Boolean(doc="Kept in a cookie and on the root element whenever it changes.")

    _bundle_path: ClassVar[None] = None
    _esm = HERE / "nav.js"
    _stylesheets: ClassVar[list[Any]] = [HERE / "nav.css"]


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
) -> Page:
    """`view` as all of the content of a page of the campaign, in `language`. `key`: of its name, in
    the section `nav` of the texts; `current`: its address, that of the key where it is None."""
    words = texts_for(campaign)
    # Panel sets this with the HTML. A session made anew by the websocket of a returning browser has
    # had none, and would send that browser elsewhere for its style sheets.
    session().template_variables.setdefault("dist_url", get_dist_path())
    session().template_variables["language"] = language
    dark = pn.state.cookies.get(THEME_COOKIE) == "dark"
    accent = campaign.settings.accent
    nav = Nav(
        brand=campaign.title,
        logo=f"{campaign.base}/logo?{campaign.logo.version}" if campaign.logo else "",
        home=campaign.home,
        current=address(campaign, key) if current is None else current,
        links=links(arena, campaign, words),
        label=words("nav.pages"),
        language=words.language,
        language_label=words("nav.language"),
        dark=dark,
    )
    heading = f"{words(f'nav.{key}')} · {campaign.title}"
    frame = Page(
        main=[view],
        header=[nav],
        dark_theme=dark,
        busy_indicator=None,
        meta_title=heading,
        meta_description=words("nav.description"),
        raw_css=[TOKENS_CSS, accent.css] if accent else [TOKENS_CSS],
        template=(HERE / "frame.html").read_text(encoding="utf-8"),
        theme_config={
            scheme: {
                "palette": {
                    "primary": {"main": surface, "contrastText": text},
                    "background": {"default": ground, "paper": ground},
                }
            }
            for scheme, surface, text, ground in (
                ("light", "#ffffff", "#16191d", "#f6f7f8"),
                ("dark", "#1a1d21", "#e9ecef", "#121417"),
            )
        },
        sx={
            # The page draws one in spite of `busy_indicator`, and it has no name.
            "& .MuiLinearProgress-root": {"display": "none"},
            "& .MuiAppBar-root": {
                "boxShadow": "none",
                "backgroundImage": "none",
                "backgroundColor": "var(--surface)",
                "color": "var(--text)",
                "borderBottom": "1px solid var(--line)",
            },
        },
    )
    apart(frame)
    frame.param.watch(lambda event: nav.param.update(dark=event.new), "dark_theme")
    # Panel's server gives all of its pages one title.
    frame.server_doc = lambda doc=None, title=None, location=True: (  # type: ignore[method-assign]
        Page.server_doc(frame, doc, heading or title, location)
    )
    return frame
