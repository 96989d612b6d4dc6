"""Figures as HTML files that need nothing beside them."""

from __future__ import annotations

from pathlib import Path

from bokeh.embed import file_html
from bokeh.models import UIElement
from bokeh.resources import INLINE

from rostra.arena.ratings.errors import RatingsError


def write_html(plot: UIElement, path: Path, title: str) -> Path:
    """Writes `plot` as one self-contained page to `path`, scripts and all; returns `path`.

    The file is replaced in one step. Raises RatingsError when it cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(file_html(plot, INLINE, title=title), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise RatingsError(f"cannot write {path}: {error}") from error
    return path
