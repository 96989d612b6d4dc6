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

HERE = Path(__file__).parent
LINKS = [
    ("Battle", "/"),
    ("Leaderboard", "/leaderboard"),
    ("Analyst", "/analyst"),
    ("How it works", "/how"),
]
THEME_COOKIE = "rostra-theme"


class Nav(JSComponent):
    """The links of the header."""

    brand = param.String()
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


def page(settings: ArenaSettings, path: str, title: str, view: Viewable) -> Page:
    """The page at `path`, with `view` as all of its content."""
    # Panel sets this with the HTML. A session made anew by the websocket of a returning browser has
    # had none, and would send that browser elsewhere for its style sheets.
    session().template_variables.setdefault("dist_url", get_dist_path())
    dark = pn.state.cookies.get(THEME_COOKIE) == "dark"
    nav = Nav(brand=settings.title, current=path, links=LINKS, dark=dark)
    frame = Page(
        main=[view],
        header=[nav],
        dark_theme=dark,
        busy_indicator=None,
        meta_title=f"{title} · {settings.title}",
        meta_description="Ask a question, read two answers, say which is better.",
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
