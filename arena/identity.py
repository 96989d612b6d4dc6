"""Does an answer say who wrote it?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from rostra.arena.rendering.characters import INVISIBLE, INVISIBLE_BEYOND, REORDERING
from rostra.arena.settings import Contestant

_WORD = re.compile(r"[^\W_]+")
_SHORTEST_FAMILY = 4
_UNSEEN = re.compile(f"[{INVISIBLE}{REORDERING}\x00-\x08\x0e-\x1f]|[{INVISIBLE_BEYOND}]")
# Letters of other alphabets that are drawn like Latin ones, among the confusables of Unicode's
# technical standard 39.
_LOOKALIKES = str.maketrans(
    {
        other: latin
        for latin, others in {
            "a": "аαΑА",
            "b": "ВвΒβЬ",
            "c": "сϲСϹ",
            "d": "ԁԀ",
            "e": "еЕΕε",
            "g": "ɡԌ",
            "h": "һҺНнΗ",
            "i": "іІιΙı",
            "j": "јЈϳ",
            "k": "кКκΚ",
            "l": "ӏӀ",
            "m": "мМΜ",
            "n": "Νηոп",
            "o": "оОοΟσօ",
            "p": "рРρΡ",
            "q": "ԛԚ",
            "r": "г",
            "s": "ѕЅ",
            "t": "тТτΤ",
            "u": "υսц",
            "v": "ѵѴν",
            "w": "ԝԜωш",
            "x": "хХχΧ",
            "y": "уУүҮΥγ",
            "z": "Ζᴢ",
        }.items()
        for other in others
    }
)


def _plain(text: str) -> str:
    """`text` as it looks to a reader: no invisible characters, marks, or letters in disguise."""
    text = unicodedata.normalize("NFKD", _UNSEEN.sub("", text)).translate(_LOOKALIKES).casefold()
    return "".join(character for character in text if not unicodedata.combining(character))


def _words(text: str) -> str:
    """Lower-case words between single spaces, so that `GPT-4` and `gpt 4` are the same."""
    return f" {' '.join(_WORD.findall(_plain(text)))} "


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
