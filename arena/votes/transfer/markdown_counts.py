"""Marks of Markdown counted as in LMSYS's `conv_metadata`: by kind, code blocks left out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rostra.arena.tags.exchange import without_code

_HEADER = re.compile(r"^(#{1,6})\s", re.MULTILINE)
_ORDERED = re.compile(r"^\s*\d+\.\s", re.MULTILINE)
_UNORDERED = re.compile(r"^\s*[-*+]\s", re.MULTILINE)
_BOLD = {"**": re.compile(r"\*\*[^*\n]+\*\*"), "__": re.compile(r"__[^_\n]+__")}


def counts(answers: Sequence[str]) -> dict[str, dict[str, int]]:
    """Over all answers of one side."""
    text = "\n\n".join(map(without_code, answers))
    headers = [len(marks) for marks in _HEADER.findall(text)]
    return {
        "header_count": {f"h{level}": headers.count(level) for level in range(1, 7)},
        "list_count": {
            "ordered": len(_ORDERED.findall(text)),
            "unordered": len(_UNORDERED.findall(text)),
        },
        "bold_count": {mark: len(bold.findall(text)) for mark, bold in _BOLD.items()},
    }
