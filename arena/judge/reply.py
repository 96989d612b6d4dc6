"""Verdicts as a judge has to give them, and as they are read: by a schema, strictly.

Nothing is picked out of prose. A reply that is not what was asked for, to the letter, is nonsense.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from rostra.arena.judge.records import Choice

Kind = Literal["grade", "pair"]
SCORES = tuple(range(1, 11))
CHOICES: dict[str, Choice] = {"A": "a", "B": "b", "tie": "tie"}
_SHOWN = 300


class NonsenseError(ValueError):
    """A reply that is no verdict; says what came."""


class Grade(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: str
    score: int


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: str
    verdict: Literal["A", "B", "tie"]


def schema(kind: Kind, reason_chars: int | None = None) -> dict[str, Any]:
    """JSON Schema of a verdict. The reason comes first, so that it is not made up for a verdict."""
    reason: dict[str, Any] = {"type": "string"}
    if reason_chars is not None:
        reason["maxLength"] = reason_chars
    given: dict[str, Any] = (
        {"score": {"type": "integer", "enum": list(SCORES)}}
        if kind == "grade"
        else {"verdict": {"type": "string", "enum": list(CHOICES)}}
    )
    return {
        "type": "object",
        "properties": {"reason": reason, **given},
        "required": ["reason", *given],
        "additionalProperties": False,
    }


def read_grade(content: str) -> Grade:
    grade = _read(content, Grade)
    if grade.score not in SCORES:
        raise NonsenseError(f"a score of {grade.score}: {_shown(content)}")
    return grade


def read_comparison(content: str) -> Comparison:
    return _read(content, Comparison)


def _read(content: str, form: type[Any]) -> Any:
    try:
        return msgspec.json.decode(content, type=form)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise NonsenseError(f"{error}: {_shown(content)}") from None


def _shown(content: str) -> str:
    line = " ".join(content.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
