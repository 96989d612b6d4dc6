"""Prompts of a benchmark: JSON lines of one or several turns each.

    {"question_id": 1, "category": "maths", "turns": ["...", "..."], "reference": ["...", "..."]}

as MT-bench has them. `id` does for `question_id`, and its line number for a missing one; `prompt`,
a text, for `turns`. `category` and `reference` (right answers, by turn) are optional.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from rostra.arena.judge.errors import JudgeError
from rostra.arena.judge.rows import BadRowError, RowFault, objects, text_of, texts_of


class Question(msgspec.Struct, frozen=True, omit_defaults=True):
    question_id: str
    turns: tuple[str, ...]
    category: str | None = None
    reference: tuple[str, ...] = ()
    """By turn; may be shorter."""


def read_questions(path: Path) -> tuple[list[Question], list[RowFault]]:
    """The questions, and the rows that are none. Raises JudgeError where there is no question."""
    found, faults = parse_questions(path)
    if not found:
        first_fault = f"; {faults[0]}" if faults else ""
        raise JudgeError(f"there is no prompt in {path}{first_fault}")
    return found, faults


def parse_questions(path: Path) -> tuple[list[Question], list[RowFault]]:
    """Likewise, of a file that may have none."""
    faults: list[RowFault] = []
    found: dict[str, Question] = {}
    lines: dict[str, int] = {}
    for line, record in objects(path, faults):
        try:
            question = _question(line, record)
            if question.question_id in found:
                first = lines[question.question_id]
                raise BadRowError(f"id {question.question_id!r} is that of line {first} already")
        except BadRowError as error:
            faults.append(RowFault(path, line, str(error)))
            continue
        found[question.question_id] = question
        lines[question.question_id] = line
    return list(found.values()), faults


def write_questions(path: Path, questions: Iterable[Question]) -> None:
    """In place of what was there, whole or not at all."""
    encoder = msgspec.json.Encoder()
    draft = path.with_name(f"{path.name}.new")
    with draft.open("wb") as file:
        file.writelines(encoder.encode(question) + b"\n" for question in questions)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _question(line: int, record: dict[str, Any]) -> Question:
    named = next((name for name in ("question_id", "id") if record.get(name) is not None), None)
    turns = texts_of(record, "prompt" if "turns" not in record and "prompt" in record else "turns")
    if not turns:
        raise BadRowError("no turns: a list of one or more prompts")
    reference = texts_of(record, "reference")
    if len(reference) > len(turns):
        raise BadRowError(f"{len(reference)} references for {len(turns)} turns")
    return Question(
        question_id=str(line) if named is None else text_of(record, named),
        turns=turns,
        category=None if record.get("category") is None else text_of(record, "category"),
        reference=reference,
    )
