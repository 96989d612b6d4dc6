"""What there is to judge in a run: single answers, pairs with a baseline, or all pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from rostra.arena.judge.folder import RunFolder
from rostra.arena.judge.questions import Question
from rostra.arena.judge.request import JudgeRequest, judge_request
from rostra.arena.judge.settings import JudgeSettings
from rostra.arena.judge.wording import Shown, grade_messages, pair_messages


@dataclass(frozen=True)
class Place:
    """One answer, or two in the order they are shown, to one turn."""

    question: Question
    turn: int
    contestants: tuple[str, ...]

    def __str__(self) -> str:
        names = " and ".join(self.contestants)
        return f"question {self.question.question_id}, turn {self.turn}, {names}"


@dataclass(frozen=True)
class Plan:
    places: tuple[Place, ...]
    missing: tuple[str, ...]
    """A line for each answer that is not there, and so cannot be judged."""


def grades(folder: RunFolder, contestants: Sequence[str]) -> Plan:
    return _plan(folder, [(name,) for name in contestants])


def pairs(folder: RunFolder, contestants: Sequence[str], baseline: str | None) -> Plan:
    """Both orders of each pair with `baseline`, or of every pair for `None`."""
    chosen = (
        list(combinations(contestants, 2))
        if baseline is None
        else [(baseline, name) for name in contestants if name != baseline]
    )
    return _plan(folder, [order for a, b in chosen for order in ((a, b), (b, a))])


def request_of(folder: RunFolder, judge: JudgeSettings, place: Place) -> JudgeRequest:
    sides = [Shown(texts) for texts in _texts(folder, place)]
    if len(sides) == 1:
        messages = grade_messages(place.question, place.turn, sides[0])
        return judge_request(judge, "grade", messages)
    messages = pair_messages(place.question, place.turn, sides[0], sides[1])
    return judge_request(judge, "pair", messages)


def is_own(judge: Mapping[str, Any], contestant: str, snapshot: Mapping[str, Any]) -> bool:
    """Whether the judge's model is the contestant's, of both as `run.json` has them."""
    served = snapshot.get("adapter") or snapshot.get("model")
    model = judge.get("model")
    return contestant in (judge.get("name"), model) or (model is not None and model == served)


def _plan(folder: RunFolder, sides: Sequence[tuple[str, ...]]) -> Plan:
    missing: dict[str, None] = {}
    places = []
    for question in folder.questions:
        for turn in range(1, len(question.turns) + 1):
            lacking = {
                name
                for names in sides
                for name in names
                if folder.answer(question.question_id, name, turn) is None
            }
            for name in sorted(lacking):
                missing[f"question {question.question_id}, turn {turn}, {name}: no answer"] = None
            places += [Place(question, turn, names) for names in sides if lacking.isdisjoint(names)]
    return Plan(tuple(places), tuple(missing))


def _texts(folder: RunFolder, place: Place) -> Iterator[list[str]]:
    for name in place.contestants:
        answers = (
            folder.answer(place.question.question_id, name, turn)
            for turn in range(1, place.turn + 1)
        )
        yield ["" if answer is None else answer.text for answer in answers]
