"""Does an answer say who wrote it?"""

from __future__ import annotations

from collections.abc import Iterable

from rostra.arena.contestant import Contestant
from rostra.arena.folding import word_list, words

_SHORTEST_FAMILY = 4


def _family(model: str) -> str:
    """`SmolLM2` of `org/SmolLM2-135M-Instruct`: models name themselves by family."""
    found = word_list(model.rsplit("/", 1)[-1])
    family = found[0] if found else ""
    return family if len(family) >= _SHORTEST_FAMILY and not family.isdigit() else ""


def give_aways(contestants: Iterable[Contestant]) -> frozenset[str]:
    """The phrases that identify any of `contestants`, normalised for `reveals`."""
    phrases: set[str] = set()
    for contestant in contestants:
        phrases |= {contestant.name, contestant.label, contestant.model, *contestant.aliases}
        phrases |= {contestant.adapter or "", _family(contestant.served_name)}
        phrases.add(_family(contestant.model))
    return frozenset(words(phrase) for phrase in phrases if word_list(phrase))


def reveals(text: str, phrases: frozenset[str]) -> bool:
    """Whether one of `phrases` stands in `text` as whole words, whatever the case and hyphens."""
    said = words(text)
    return any(phrase in said for phrase in phrases)
