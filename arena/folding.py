"""Texts as a reader sees them: no invisible characters, marks, case, or letters in disguise."""

from __future__ import annotations

import re
import unicodedata

from rostra.arena.rendering.characters import INVISIBLE, INVISIBLE_BEYOND, REORDERING

_WORD = re.compile(r"[^\W_]+")
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


def plain(text: str) -> str:
    """`text` as it looks to a reader, in lower case."""
    text = unicodedata.normalize("NFKD", _UNSEEN.sub("", text)).translate(_LOOKALIKES).casefold()
    return "".join(character for character in text if not unicodedata.combining(character))


def words(text: str) -> str:
    """Its words, folded, between single spaces, so that `GPT-4` and `gpt 4` are the same."""
    return f" {' '.join(word_list(plain(text)))} "


def word_list(text: str) -> list[str]:
    """Runs of letters and digits."""
    return _WORD.findall(text)
