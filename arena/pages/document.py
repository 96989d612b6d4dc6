"""Pages that are one document: rendered on the server, from a template that escapes everything."""

from __future__ import annotations

from typing import Any

import panel as pn
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rostra.arena.pages.frame import HERE
from rostra.arena.ratings.plots.assets import DOCUMENT_CSS

_TEMPLATES = Environment(
    loader=FileSystemLoader(HERE),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def fill_in(template: str, **values: Any) -> str:
    return _TEMPLATES.get_template(template).render(**values)


def document(html: str = "") -> pn.pane.HTML:
    return pn.pane.HTML(html, stylesheets=[DOCUMENT_CSS], sizing_mode="stretch_width", margin=0)
