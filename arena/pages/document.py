"""Pages that are one document: rendered on the server, from a template."""

from __future__ import annotations

import panel as pn

from rostra.arena.pages.templates import fill_in
from rostra.arena.ratings.plots.assets import DOCUMENT_CSS


def document(html: str = "") -> pn.pane.HTML:
    return pn.pane.HTML(html, stylesheets=[DOCUMENT_CSS], sizing_mode="stretch_width", margin=0)


def no_ratings(heading: str, num_votes: int, interval: float, home: str = "/") -> str:
    """The page in place of ratings that nobody has made. `interval`: of `[arena.refresh]`; `home`:
    address of the page to vote on."""
    return fill_in(
        "no_ratings.html", heading=heading, num_votes=num_votes, every=every(interval), home=home
    )


def every(seconds: float) -> str:
    """`5 minutes` and the like; empty for 0."""
    if not seconds:
        return ""
    number, unit = (seconds / 60, "minute") if seconds >= 60 else (seconds, "second")
    return unit if number == 1 else f"{number:.3g} {unit}s"
