"""MT-bench's files (lm-sys/FastChat, llm_judge) into a run folder.

JSON lines, told apart by their keys:

    questions     question_id, category, turns [, reference]
    answers       question_id, model_id, choices [{"index", "turns": [text, ...]}] [, tstamp]; of a
                  file in a folder `reference_answer`, the references of the questions
    grades        question_id, model, judge, score, turn [, judgment, tstamp]; a score of -1 is one
                  that could not be read
    comparisons   question_id, model_1, model_2, g1_winner, g2_winner, judge, turn [, g1_judgment,
                  g2_judgment, tstamp]; winners model_1, model_2, tie, error. The second is of the
                  swapped order, with the names as they are in the row
    labels        question_id, model_a, model_b, winner, judge, turn; what both orders came to:
                  model_a, model_b, tie where both said so, and tie (inconsistent)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rostra.arena.judge.errors import JudgeError
from rostra.arena.judge.questions import Question
from rostra.arena.judge.records import Answered, Choice, Status, Verdict
from rostra.arena.judge.rows import BadRowError, RowFault, objects, text_of, texts_of

REFERENCES = "reference_answer"
LONGEST_NAME = 200
LONGEST_JUDGE = 50
_PEOPLE = ("author", "expert")
_KEYS = {
    "answer": {"question_id", "model_id", "choices"},
    "comparison": {"question_id", "model_1", "model_2", "g1_winner", "g2_winner"},
    "label": {"question_id", "model_a", "model_b", "winner"},
    "grade": {"question_id", "model", "score"},
    "question": {"question_id", "turns"},
}


@dataclass
class Files:
    """What was read, in the files' order. `read` fills it file by file."""

    questions: dict[str, Question] = field(default_factory=dict)
    answers: dict[tuple[str, str, int], Answered] = field(default_factory=dict)
    verdicts: dict[tuple[str, str, str, int, tuple[str, ...]], Verdict] = field(
        default_factory=dict
    )
    faults: list[RowFault] = field(default_factory=list)
    _references: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def read(self, path: Path) -> None:
        """Raises JudgeError when the file cannot be read."""
        for line, record in objects(path, self.faults):
            try:
                self._take(path, record)
            except BadRowError as error:
                self.faults.append(RowFault(path, line, str(error)))

    def finished(self) -> list[Question]:
        """The questions, with their references; none of those that only answers or verdicts name.
        Raises JudgeError where nothing at all could be read."""
        if not (self.questions or self.answers or self.verdicts):
            first = f"; {self.faults[0]}" if self.faults else ""
            raise JudgeError(f"there is nothing of MT-bench in these files{first}")
        return [
            Question(each.question_id, each.turns, each.category,
                     each.reference or self._references.get(each.question_id, ()))
            for each in self.questions.values()
        ]  # fmt: skip

    @property
    def contestants(self) -> list[str]:
        answered = [each.contestant for each in self.answers.values()]
        judged = [name for each in self.verdicts.values() for name in each.contestants]
        return list(dict.fromkeys((*answered, *judged)))

    @property
    def judges(self) -> list[str]:
        return list(dict.fromkeys(each.judge for each in self.verdicts.values()))

    def _take(self, path: Path, record: dict[str, Any]) -> None:
        kind = next((name for name, keys in _KEYS.items() if keys <= record.keys()), None)
        if kind is None:
            raise BadRowError("no question, answer or judgement of MT-bench, by its keys")
        if kind == "question":
            self._question(record)
        elif kind == "answer":
            self._answer(record, reference=REFERENCES in path.parts)
        else:
            made = {verdict.place: verdict for verdict in _READERS[kind](record)}
            if made.keys() & self.verdicts.keys():
                raise BadRowError("the same judge on the same answers a second time")
            self.verdicts |= made

    def _question(self, record: dict[str, Any]) -> None:
        name = text_of(record, "question_id")
        if name in self.questions:
            raise BadRowError(f"question_id {name!r} a second time")
        turns = texts_of(record, "turns")
        if not turns:
            raise BadRowError("no turns: a list of one or more prompts")
        category = None if record.get("category") is None else text_of(record, "category")
        reference = texts_of(record, "reference")[: len(turns)]
        self.questions[name] = Question(name, turns, category, reference)

    def _answer(self, record: dict[str, Any], *, reference: bool) -> None:
        question, name = text_of(record, "question_id"), _name(record, "model_id")
        choices = record["choices"]
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise BadRowError("choices is no list of answers")
        turns = choices[0].get("turns")
        if not isinstance(turns, list) or not all(isinstance(text, str) for text in turns):
            raise BadRowError("the turns of its first choice are no list of texts")
        if empty := [number for number, text in enumerate(turns, start=1) if not text.strip()]:
            raise BadRowError(f"its answer to turn {empty[0]} is empty")
        if not turns:
            raise BadRowError("its first choice has no turns")
        if reference:
            self._references[question] = tuple(turns)
            return
        if (question, name, 1) in self.answers:
            raise BadRowError(f"{name!r} answers question {question} a second time")
        at = _at(record)
        for number, text in enumerate(turns, start=1):
            self.answers[question, name, number] = Answered(question, name, number, text, at)


def files_of(paths: Iterable[Path]) -> list[Path]:
    """Files as they are named, and of folders the `.jsonl` in and below them. Raises JudgeError
    where there is none."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(path.rglob("*.jsonl"))
        elif path.is_file():
            found.append(path)
        else:
            raise JudgeError(f"there is no file or folder {path}")
    if not found:
        raise JudgeError("there is no .jsonl in these folders")
    return list(dict.fromkeys(found))


def _grade(record: dict[str, Any]) -> Iterator[Verdict]:
    score = record["score"]
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise BadRowError(f"score is no number: {score!r:.60}")
    unread = score == -1
    if not unread and not 1 <= score <= 10:
        raise BadRowError(f"a score of {score:g} is not between 1 and 10")
    name = _name(record, "model")
    said = _text(record.get("judgment"))
    yield _verdict(
        record,
        "grade",
        (name,),
        status="nonsense" if unread else "given",
        score=None if unread else float(score),
        reason="" if unread else said,
        detail=said[:300] if unread else "",
    )


def _comparison(record: dict[str, Any]) -> Iterator[Verdict]:
    one, other = _two(record, "model_1", "model_2")
    winners: dict[str, Choice | None] = {
        "model_1": "a",
        "model_2": "b",
        "tie": "tie",
        "error": None,
    }
    for game, swapped in (("g1", False), ("g2", True)):
        winner = record[f"{game}_winner"]
        if not isinstance(winner, str) or winner not in winners:
            raise BadRowError(
                f"{game}_winner is {winner!r:.60}, not model_1, model_2, tie or error"
            )
        choice = winners[winner]
        if swapped and choice in ("a", "b"):
            choice = "b" if choice == "a" else "a"
        said = _text(record.get(f"{game}_judgment"))
        yield _verdict(
            record,
            "pair",
            (other, one) if swapped else (one, other),
            status="nonsense" if choice is None else "given",
            choice=choice,
            reason="" if choice is None else said,
            detail=said[:300] if choice is None else "",
        )


def _label(record: dict[str, Any]) -> Iterator[Verdict]:
    one, other = _two(record, "model_a", "model_b")
    winners: dict[str, tuple[Choice, bool]] = {
        "model_a": ("a", True),
        "model_b": ("b", True),
        "tie": ("tie", True),
        "tie (inconsistent)": ("tie", False),
    }
    winner = record["winner"]
    if not isinstance(winner, str) or winner not in winners:
        raise BadRowError(
            f"winner is {winner!r:.60}, not model_a, model_b, tie or tie (inconsistent)"
        )
    choice, consistent = winners[winner]
    yield _verdict(record, "agreed", (one, other), choice=choice, consistent=consistent)


_READERS = {"grade": _grade, "comparison": _comparison, "label": _label}


def _verdict(
    record: dict[str, Any],
    kind: Any,
    contestants: tuple[str, ...],
    status: Status = "given",
    **told: Any,
) -> Verdict:
    judge = record.get("judge")
    # FastChat writes [model, name of the prompt].
    name = judge[0] if isinstance(judge, list) and judge else judge
    named = isinstance(name, str) and name.isprintable()
    if not isinstance(name, str) or not named or not 0 < len(name.strip()) <= LONGEST_JUDGE:
        raise BadRowError(f"judge is no name of up to {LONGEST_JUDGE} characters: {judge!r:.60}")
    if name.startswith(_PEOPLE):
        raise BadRowError(f"{name!r} is a person: take people's votes with `rostra votes import`")
    turn = record.get("turn", 1)
    if isinstance(turn, bool) or not isinstance(turn, int) or turn < 1:
        raise BadRowError(f"turn is {turn!r:.60}, not 1 or more")
    question = text_of(record, "question_id")
    prompt = judge[1] if isinstance(judge, list) and len(judge) > 1 else ""
    parts = (name, kind, question, str(turn), *contestants, str(told.get("choice")),
             str(told.get("score")))  # fmt: skip
    return Verdict(
        key="import:" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest(),
        judge=name,
        kind=kind,
        question=question,
        turn=turn,
        contestants=contestants,
        at=_at(record),
        status=status,
        own=name in contestants,
        referenced="math" in str(prompt),
        **told,
    )


def _two(record: dict[str, Any], one: str, other: str) -> tuple[str, str]:
    names = _name(record, one), _name(record, other)
    if names[0] == names[1]:
        raise BadRowError(f"{names[0]!r} against itself")
    return names


def _name(record: dict[str, Any], key: str) -> str:
    name = text_of(record, key).strip()
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise BadRowError(f"{key} is no name of a contestant: {name!r:.60}")
    return name


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _at(record: dict[str, Any]) -> datetime:
    """`tstamp`; where there is none, the Unix epoch stands for an unknown time."""
    stamp = record.get("tstamp")
    if isinstance(stamp, bool) or not isinstance(stamp, int | float):
        return datetime.fromtimestamp(0, UTC)
    try:
        return datetime.fromtimestamp(stamp, UTC)
    except (OverflowError, OSError, ValueError):
        raise BadRowError(f"tstamp is no time: {stamp!r:.60}") from None
