"""Figures as HTML files that need nothing beside them."""

from __future__ import annotations

from pathlib import Path

from bokeh.embed import file_html
from bokeh.layouts import column
from bokeh.models import Div, UIElement
from bokeh.resources import INLINE

from rostra.arena.ratings.errors import RatingsError

STYLES = {"font": "16px system-ui, sans-serif", "max-width": "70ch", "margin": "8px"}


def write_html(plot: UIElement, path: Path, title: str, text: str) -> Path:
    """Writes `text` and `plot` below it as one self-contained page to `path`; returns `path`.

    `text` is plain. The file is replaced in one step.

    Raises:
        RatingsError: the file cannot be written.
    """
    page = column(
        Div(text=text, render_as_text=True, styles=STYLES), plot, sizing_mode="stretch_width"
    )
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(file_html(page, INLINE, title=title), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise RatingsError(f"cannot write {path}: {error}") from error
    return path
