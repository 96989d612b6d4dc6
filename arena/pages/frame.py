"""What every page has around it: the header, the theme, the style sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import panel as pn
import param
from bokeh.document import Document
from panel.custom import JSComponent
from panel.io.resources import get_dist_path
from panel.viewable import Viewable
from panel_material_ui.template.base import Page

from rostra.arena.ratings.plots.assets import TOKENS_CSS
from rostra.arena.settings import ArenaSettings
from rostra.arena.texts import NAMES, Language, Texts, texts
from rostra.arena.texts.choice import choose

HERE = Path(__file__).parent
LINKS = {
    "battle": "/",
    "side_by_side": "/side-by-side",
    "chat": "/chat",
    "leaderboard": "/leaderboard",
    "analyst": "/analyst",
    "how": "/how",
}
"""Paths by their keys in the texts."""
THEME_COOKIE = "rostra-theme"
LANGUAGE_COOKIE = "rostra-language"
COOKIES = [THEME_COOKIE, LANGUAGE_COOKIE]
"""What a session is told of. Its token is in the page for every script to read, and tells all that
the session was told."""


class Nav(JSComponent):
    """The links of the header and the choice of language."""

    brand = param.String()
    label = param.String(doc="What the links are, for those who hear the page.")
    language = param.String()
    languages = param.List(default=[list(item) for item in NAMES.items()])
    language_label = param.String()
    current = param.String(doc="Path of the page it stands on.")
    links = param.List()
    dark = param.Boolean(doc="Kept in a cookie and on the root element whenever it changes.")

    _esm = HERE / "nav.js"
    _stylesheets: ClassVar[list[Any]] = [HERE / "nav.css"]


def session() -> Document:
    """The document of the session that a page is being made for."""
    if pn.state.curdoc is None:
        raise RuntimeError("a page is made outside a session")
    return pn.state.curdoc


def texts_for(settings: ArenaSettings) -> Texts:
    """In the language of the session that a page is being made for."""
    header = str(pn.state.headers.get("Accept-Language", ""))
    return texts(choose(pn.state.cookies.get(LANGUAGE_COOKIE), settings.language, header))


def page(settings: ArenaSettings, key: str, view: Viewable, language: Language = "en") -> Page:
    """The page with this key of `LINKS`, and `view` as all of its content, in `language`."""
    words = texts_for(settings)
    # Panel sets this with the HTML. A session made anew by the websocket of a returning browser has
    # had none, and would send that browser elsewhere for its style sheets.
    session().template_variables.setdefault("dist_url", get_dist_path())
    session().template_variables["language"] = language
    dark = pn.state.cookies.get(THEME_COOKIE) == "dark"
    nav = Nav(
        brand=settings.title,
        current=LINKS[key],
        links=[[words(f"nav.{each}"), path] for each, path in LINKS.items()],
        label=words("nav.pages"),
        language=words.language,
        language_label=words("nav.language"),
        dark=dark,
    )
    frame = Page(
        main=[view],
        header=[nav],
        dark_theme=dark,
        busy_indicator=None,
        meta_title=f"{words(f'nav.{key}')} · {settings.title}",
        meta_description=words("nav.description"),
        raw_css=[TOKENS_CSS],
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
    frame.param.watch(lambda event: nav.param.update(dark=event.new), "dark_theme")
    return frame
