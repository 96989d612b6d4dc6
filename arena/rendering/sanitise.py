"""The second wall: what is not on these lists is not in a page, whatever made it."""

from __future__ import annotations

import re

import nh3

from rostra.arena.rendering import code, mathml

TAGS = {
    *"p br hr h3 h4 h5 h6 em strong s blockquote ul ol li pre code a span div".split(),
    *"table colgroup col thead tbody tr th td".split(),
    *mathml.TAGS,
}
_CLASSES = {
    "div": {"code", "language", "table", "display"},
    "span": {"image", "host", "task", "done", *code.CLASSES},
    "pre": {"plain"},
    "code": {"latex"},
    "ul": {"tasks"},
    "col": {f"w{width}" for width in range(1, 10)},
    "th": {"left", "center", "right"},
    "td": {"left", "center", "right"},
}
_AUTO = {"auto"}
_VALUES: dict[str, dict[str, set[str]]] = {
    **{tag: {"dir": _AUTO} for tag in "p h3 h4 h5 h6 blockquote ul ol li th td".split()},
    "pre": {"dir": {"ltr", "auto"}, "tabindex": {"0"}},
    "div": {"tabindex": {"0"}},
    "span": {"role": {"img"}, "aria-label": {"done", "to do"}},
}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    **{tag: set(allowed) for tag, allowed in mathml.ATTRIBUTES.items()},
}
_START = re.compile(r"\d{1,9}")


def _filtered(tag: str, name: str, value: str) -> str | None:
    if tag in mathml.ATTRIBUTES and name in mathml.ATTRIBUTES[tag]:
        return value if mathml.ATTRIBUTES[tag][name].fullmatch(value) else None
    if (tag, name) == ("ol", "start"):
        return value if _START.fullmatch(value) else None
    return value


_CLEANER = nh3.Cleaner(
    tags=TAGS,
    attributes=_ATTRIBUTES,
    tag_attribute_values=_VALUES,
    allowed_classes=_CLASSES,
    attribute_filter=_filtered,
    url_schemes={"http", "https", "mailto"},
    set_tag_attribute_values={"a": {"target": "_blank"}},
    link_rel="noopener noreferrer nofollow",
)


def sanitise(html: str) -> str:
    """`html` without anything that Markdown, highlighting and formulas do not make."""
    return _CLEANER.clean(html)
