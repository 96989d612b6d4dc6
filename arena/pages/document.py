"""Pages that are one document: rendered on the server, from a template that escapes everything."""

from __future__ import annotations

from typing import Any

import panel as pn
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rostra.arena.pages.frame import HERE

_TEMPLATES = Environment(
    loader=FileSystemLoader(HERE),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_STYLE = (HERE / "document.css").read_text(encoding="utf-8")


def fill_in(template: str, **values: Any) -> str:
    return _TEMPLATES.get_template(template).render(**values)


def document(html: str = "") -> pn.pane.HTML:
    return pn.pane.HTML(html, stylesheets=[_STYLE], sizing_mode="stretch_width", margin=0)
