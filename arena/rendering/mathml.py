"""LaTeX to MathML, which browsers draw by themselves."""

from __future__ import annotations

import html
import re
from functools import lru_cache
from xml.etree.ElementTree import Element

from latex2mathml.converter import Converter
from markupsafe import escape

MOST_CHARACTERS = 1_000
MOST_SYMBOLS = 600
"""A longer formula is shown as it was written: the time of a conversion grows with its symbols."""
MOST_NESTED = 40
"""Braces, fractions and the like within each other."""

LENGTH = re.compile(r"-?\d{0,2}(\.\d+)?(em|ex|pt|px|mu)")
"""A length that stays near its place."""
_WORD = re.compile(r"[a-z-]+( [a-z-]+)*")
_FLAG = re.compile("true|false")
ATTRIBUTES = {
    "math": {"display": re.compile("block|inline")},
    "mi": {"mathvariant": re.compile("normal")},
    "mo": {
        "stretchy": _FLAG,
        "fence": _FLAG,
        "form": re.compile("prefix|infix|postfix"),
        "separator": _FLAG,
        "movablelimits": _FLAG,
        "minsize": LENGTH,
        "maxsize": LENGTH,
        "lspace": LENGTH,
        "rspace": LENGTH,
    },
    "mspace": {"width": LENGTH},
    "mfrac": {"linethickness": LENGTH},
    "mover": {"accent": _FLAG},
    "munder": {"accentunder": _FLAG},
    "mtable": {"columnalign": _WORD, "rowlines": _WORD, "columnlines": _WORD},
    "mtd": {"columnalign": _WORD},
    "mstyle": {"displaystyle": _FLAG, "scriptlevel": re.compile(r"[0-3]")},
}
"""The attributes of each element that are let through, with the values they may have. None of them
names a class, an address or a colour, or moves anything out of its place."""
TAGS = {
    *ATTRIBUTES,
    *"mrow mn mtext msqrt mroot msub msup msubsup munderover mtr mphantom".split(),
}
_NUM_CHILDREN = {
    **dict.fromkeys(("mfrac", "mroot", "msub", "msup", "munder", "mover"), 2),
    **dict.fromkeys(("msubsup", "munderover"), 3),
}
# A macro can stand for thousands of others.
_REFUSED = re.compile(r"\\(re)?newcommand|\\providecommand|\\[egx]?def|\\let|\\DeclareMathOperator")
_SYMBOL = re.compile(r"\\[A-Za-z]+|\\.|\d+|[^\s{}]")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_ESCAPED = re.compile(r"\\.", re.DOTALL)


class _RefusedError(ValueError):
    pass


@lru_cache(maxsize=2048)
def mathml(source: str, *, block: bool) -> str | None:
    """HTML of the formula `source`; None where it is broken, too long or not understood."""
    if len(source) > MOST_CHARACTERS or num_symbols(source) > MOST_SYMBOLS:
        return None
    if _REFUSED.search(source) or not _is_balanced(source):
        return None
    try:
        tree = Converter(display="block" if block else "inline").convert_to_element(source)
        return _serialised(tree, 0)
    except Exception:  # the converter raises what it happens upon, RecursionError among it
        return None


def num_symbols(source: str) -> int:
    """Letters, numbers, signs and commands of the formula `source`."""
    return sum(1 for _ in _SYMBOL.finditer(source))


def _is_balanced(source: str) -> bool:
    depth = 0
    for brace in re.findall(r"[{}]", _ESCAPED.sub("", source)):
        depth += 1 if brace == "{" else -1
        if not 0 <= depth <= MOST_NESTED:
            return False
    return depth == 0


def _serialised(element: Element, depth: int) -> str:
    if depth > 4 * MOST_NESTED:
        raise _RefusedError("nested too deep")
    if element.tag in _NUM_CHILDREN and len(element) != _NUM_CHILDREN[element.tag]:
        raise _RefusedError(f"{element.tag} lacks an argument")
    text = html.unescape(element.text or "")
    if _COMMAND.fullmatch(text):
        raise _RefusedError(f"unknown command {text}")
    inside = str(escape(text)) + "".join(_serialised(child, depth + 1) for child in element)
    if element.tag not in TAGS:
        return f"<mrow>{inside}</mrow>"
    allowed = ATTRIBUTES.get(element.tag, {})
    attributes = "".join(
        f' {name}="{value}"'
        for name, value in element.attrib.items()
        if name in allowed and allowed[name].fullmatch(value)
    )
    return f"<{element.tag}{attributes}>{inside}</{element.tag}>"
