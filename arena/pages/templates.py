"""The templates of the pages, which escape everything."""

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
