"""Lists of words that no question may have.

A file has one word or phrase a line; empty lines and lines that begin with `#` are left out. Case,
accents, invisible characters and letters in disguise make no difference, and only whole words
count. A `*` at an end stands for the rest of a word, as languages need it that join words:
`bomb*` is also in "bombs", `*폭탄*` in every word that has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import ahocorasick

from rostra.arena.errors import ArenaError
from rostra.arena.folding import words


class WordLists:
    """All lists as one automaton (Aho and Corasick 1975, Communications of the ACM 18), which reads
    a text once, however many words there are."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        """By the lists' names. Raises `ArenaError` for a file that cannot be read, has no entry, or
        one that could not be found in any text."""
        self._automaton = ahocorasick.Automaton()
        for name, path in files.items():
            for entry in _entries(name, path):
                if entry not in self._automaton:
                    self._automaton.add_word(entry, name)
        if files:
            self._automaton.make_automaton()

    def find(self, text: str) -> str | None:
        """The name of the list whose entry comes first in `text`; `None` where there is none."""
        if not len(self._automaton):
            return None
        return next((name for _, name in self._automaton.iter(words(text))), None)


def _entries(name: str, path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ArenaError(
            f"cannot read {path} of moderation.lists.{name}: {error.strerror}"
        ) from None
    except UnicodeDecodeError:
        raise ArenaError(f"{path} of moderation.lists.{name} is no text in UTF-8") from None
    entries = []
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        entry = words(line.removeprefix("*").removesuffix("*"))
        if not entry.strip() or "*" in line[1:-1]:
            raise ArenaError(
                f"line {number} of {path}: {line!r} is no word or phrase with a * at its ends at "
                "most"
            )
        # The space at an end is what makes a word whole.
        entry = entry[1:] if line.startswith("*") else entry
        entries.append(entry[:-1] if line.endswith("*") else entry)
    if not entries:
        raise ArenaError(f"{path} of moderation.lists.{name} has no word")
    return entries
