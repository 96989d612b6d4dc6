"""The rules by which battles are tagged, as one set with a version."""

from __future__ import annotations

from collections.abc import Sequence

from rostra.arena.tags.code import is_code
from rostra.arena.tags.exchange import Exchange, answers, prompts, prose
from rostra.arena.tags.language import UNKNOWN, LanguageDetector
from rostra.arena.tags.maths import is_maths

VERSION = "rules 1"
"""Changes whenever a rule does, so that battles are tagged again."""
SHORT, LONG = 100, 500
"""Characters of all questions together: short below the first, long from the second."""


class Rules:
    """Tags by `VERSION`; the detector's models are loaded at the first question."""

    by = VERSION

    def __init__(self, detector: LanguageDetector) -> None:
        self._detector = detector

    def tags(self, turns: Sequence[Exchange]) -> dict[str, str]:
        """By name: language, code, maths, length, multi_turn. `turns` has one or more."""
        return {
            "language": self._language(turns),
            "code": _yes(is_code(turns)),
            "maths": _yes(is_maths(turns)),
            "length": length_of(prompts(turns)),
            "multi_turn": _yes(len(turns) > 1),
        }

    def _language(self, turns: Sequence[Exchange]) -> str:
        """Of the questions; where they are too short to tell, that of both answers if it is one."""
        asked = self._detector.language_of(prose(prompts(turns)))
        if asked != UNKNOWN:
            return asked
        answered = {self._detector.language_of(prose(answers(turns, side))) for side in ("a", "b")}
        return answered.pop() if len(answered) == 1 else UNKNOWN


def length_of(asked: str) -> str:
    return "short" if len(asked) < SHORT else "medium" if len(asked) < LONG else "long"


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
