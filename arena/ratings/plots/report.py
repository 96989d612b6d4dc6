"""Figures as HTML files that need nothing beside them."""

from __future__ import annotations

from pathlib import Path

from bokeh.embed import file_html
from bokeh.models.css import Styles
from bokeh.models.layouts import Column
from bokeh.models.ui.ui_element import UIElement
from bokeh.models.widgets.markups import Div
from bokeh.resources import INLINE

from rostra.arena.ratings.errors import RatingsError


def write_html(plot: UIElement, path: Path, title: str, text: str) -> Path:
    """Writes `text` and `plot` below it as one self-contained page to `path`; returns `path`.

    `text` is plain. The file is replaced in one step.

    Raises:
        RatingsError: the file cannot be written.
    """
    styles = Styles(font="16px system-ui, sans-serif", max_width="70ch", margin="8px")
    paragraph = Div(text=text, render_as_text=True, styles=styles)
    page = Column(children=[paragraph, plot], sizing_mode="stretch_width")
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(file_html(page, INLINE, title=title), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise RatingsError(f"cannot write {path}: {error}") from error
    return path
