"""The templates of the pages, which escape everything, with their scripts and style sheets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

HERE = Path(__file__).parent
_TEMPLATES = Environment(
    loader=FileSystemLoader(HERE),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def template(name: str) -> Template:
    return _TEMPLATES.get_template(name)


def fill_in(name: str, **values: Any) -> str:
    return template(name).render(**values)


def source(*names: str) -> str:
    """These scripts or style sheets as one.

    Components bring theirs along: Panel evaluates a component's module from a blob, which has no
    folder to import siblings from, and draws it before the style sheets that it links have come,
    so that it moves with each of them.
    """
    return "".join((HERE / name).read_text(encoding="utf-8") for name in names)
