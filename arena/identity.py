"""Does an answer say who wrote it?"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rostra.arena.settings import Contestant

_WORD = re.compile(r"[^\W_]+")
_SHORTEST_FAMILY = 4


def _words(text: str) -> str:
    """Lower-case words between single spaces, so that `GPT-4` and `gpt 4` are the same."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "


def _family(model: str) -> str:
    """`SmolLM2` of `org/SmolLM2-135M-Instruct`: models name themselves by family."""
    words = _WORD.findall(model.rsplit("/", 1)[-1])
    family: str = words[0] if words else ""
    return family if len(family) >= _SHORTEST_FAMILY and not family.isdigit() else ""


def give_aways(contestants: Iterable[Contestant]) -> frozenset[str]:
    """The phrases that identify any of `contestants`, normalised for `reveals`."""
    phrases: set[str] = set()
    for contestant in contestants:
        phrases |= {contestant.name, contestant.label, contestant.model, *contestant.aliases}
        phrases |= {contestant.adapter or "", _family(contestant.served_name)}
        phrases.add(_family(contestant.model))
    return frozenset(_words(phrase) for phrase in phrases if _WORD.search(phrase))


def reveals(text: str, phrases: frozenset[str]) -> bool:
    """Whether one of `phrases` stands in `text` as whole words, whatever the case and hyphens."""
    words = _words(text)
    return any(phrase in words for phrase in phrases)
