"""Outcomes into the vote store: battles like those of people, marked with their judge.

They go in as an import of the form `FORM`, each once however often it is stored. What lies beside
the outcome is in `extra`, which the log commits to:

    question, turn, category   of the benchmark; `turn` from 1
    verdicts                   [{"left", "right", "outcome", "reason"}, ...], each order as it was
                               shown, `outcome` `a` for the left; of grades [{"contestant", "score",
                               "reason"}, ...]
    consistent                 whether both orders said the same; null where that is not known
    self                       whether a contestant is the judge's own model
    panel                      {judge: outcome} of the members of a panel
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from rostra.arena.judge.folder import RunFolder
from rostra.arena.judge.outcomes import Outcome
from rostra.arena.judge.records import Answered, Verdict
from rostra.arena.votes.texts import storable
from rostra.arena.votes.transfer.importing import Imported, Importer
from rostra.arena.votes.transfer.incoming import Incoming, Said

FORM = "judge"
VOTER = "judge:"
CAMPAIGN = "judge"


def store(
    engine: Engine, folder: RunFolder, outcomes: Sequence[Outcome], campaign: str = CAMPAIGN
) -> Imported:
    """Raises ArenaError where the store cannot take them."""
    source = _Outcomes(folder, outcomes)
    return Importer(engine, folder.path.resolve(), source, campaign).run()


class _Outcomes:
    form = FORM
    because = "verdicts of a run"

    def __init__(self, folder: RunFolder, outcomes: Iterable[Outcome]) -> None:
        self._folder = folder
        self._outcomes = outcomes
        self._questions = {each.question_id: each for each in folder.questions}

    def rows(self) -> Iterator[Incoming]:
        for row, outcome in enumerate(self._outcomes, start=1):
            yield self._incoming(row, outcome)

    def _incoming(self, row: int, outcome: Outcome) -> Incoming:
        question = self._questions.get(outcome.question)
        answers = {side: self._answers(outcome, side) for side in ("a", "b")}
        # All or nothing: a battle without one side's answers could not be read.
        told = question is not None and all(answers.values())
        known = self._folder.manifest.contestants
        extra: dict[str, Any] = {
            "question": outcome.question,
            "turn": outcome.turn,
            "category": None if question is None else question.category,
            "verdicts": [_shown(each) for each in outcome.verdicts],
            "consistent": outcome.consistent,
            "self": outcome.own,
        }
        if outcome.members:
            extra["panel"] = dict(outcome.members)
        return Incoming(
            row=row,
            contestant_a=outcome.a,
            contestant_b=outcome.b,
            outcome=outcome.outcome,
            original_id=_id(outcome),
            at=_at(outcome),
            voter=f"{VOTER}{outcome.judge}",
            turns=outcome.turn,
            prompts=question.turns[: outcome.turn] if question is not None and told else (),
            answers=(
                tuple(
                    _said(answer, side)
                    for turn in range(outcome.turn)
                    for side in ("a", "b")
                    for answer in (answers[side][turn],)
                )
                if told
                else ()
            ),
            extra=extra,
            battle={
                "judge": outcome.judge,
                "settings_a": known.get(outcome.a, {}),
                "settings_b": known.get(outcome.b, {}),
            },
        )

    def _answers(self, outcome: Outcome, side: str) -> list[Answered]:
        """To the turns up to the one that was judged; empty where one is missing."""
        name = outcome.a if side == "a" else outcome.b
        found = [
            self._folder.answer(outcome.question, name, turn) for turn in range(1, outcome.turn + 1)
        ]
        answers = [each for each in found if each is not None]
        return answers if len(answers) == len(found) else []


def _said(answer: Answered, side: str) -> Said:
    return Said(
        answer.turn - 1,
        side,
        answer.text,
        answer.completion_tokens,
        {
            "finish_reason": answer.finish_reason and answer.finish_reason[:32],
            "model_revision": answer.revision and answer.revision[:200],
            "prompt_tokens": answer.prompt_tokens,
            "seconds": answer.seconds,
            "ended_at": answer.at,
        },
    )


def _shown(verdict: Verdict) -> dict[str, Any]:
    if verdict.kind == "grade":
        (name,) = verdict.contestants
        return {"contestant": name, "score": verdict.score, "reason": storable(verdict.reason)}
    left, right = verdict.contestants
    reason = storable(verdict.reason)
    return {"left": left, "right": right, "outcome": verdict.choice, "reason": reason}


def _id(outcome: Outcome) -> str:
    """The same for the same verdicts, in whatever folder they lie."""
    parts = [
        *(outcome.judge, outcome.question, str(outcome.turn), outcome.a, outcome.b),
        *(verdict.key for verdict in outcome.verdicts),
    ]
    return hashlib.sha256("\x1f".join(parts).encode(errors="surrogatepass")).hexdigest()


def _at(outcome: Outcome) -> datetime | None:
    at = max(verdict.at for verdict in outcome.verdicts)
    # An import that does not say when.
    return None if at.timestamp() == 0 else at
