"""Whose tag counts where several were given: the importer's, a model's, then the rules'."""

from __future__ import annotations

from collections.abc import Iterable

from rostra.arena.ratings.frame import TAGS
from rostra.arena.tags.rules import VERSION

IMPORT = "import"
"""Who gave the tags that came with a battle."""
NAMES = TAGS
_RULES = "rules "


def preferred(tags: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """The value that counts by name, of (name, by, value)."""
    ordered = sorted(tags, key=lambda tag: (rank(tag[1]), tag[1]))
    return {name: value for name, _, value in reversed(ordered)}


def rank(by: str) -> int:
    """0 counts most. Rules of an older version count least."""
    if by == IMPORT:
        return 0
    if by == VERSION:
        return 2
    return 3 if by.startswith(_RULES) else 1
