"""What a run's verdicts say, in numbers that a person reads: no model, no intervals.

`rostra rate --from judges` rates the same verdicts with intervals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from rostra.arena.judge.folder import RunFolder
from rostra.arena.judge.judging import current
from rostra.arena.judge.outcomes import Outcome, of_pairs, of_panel
from rostra.arena.judge.plan import is_own
from rostra.arena.judge.records import Verdict
from rostra.arena.judge.settings import JudgeSettings

PANEL = "panel"


class Graded(msgspec.Struct, frozen=True):
    """One contestant by one judge."""

    judge: str
    contestant: str
    number: int
    mean: float
    turns: dict[int, float]
    """Mean score by turn."""
    categories: dict[str, float]
    own: bool
    """The judge's own model."""


class Compared(msgspec.Struct, frozen=True):
    judge: str
    contestant: str
    wins: int
    ties: int
    losses: int
    own: bool

    @property
    def share(self) -> float:
        """Of wins, ties counted as half."""
        return (self.wins + self.ties / 2) / (self.wins + self.ties + self.losses)


class JudgeSummary(msgspec.Struct, frozen=True):
    judge: str
    verdicts: int
    nonsense: int
    refused: int
    pairs: int
    """With an outcome."""
    halves: int
    """With a verdict in one order only."""
    consistent: float | None
    """Share of pairs with the same verdict in both orders; `None` where that is not known."""
    first: int
    second: int
    """Pairs in which the answer shown first, or second, won both times."""
    own: int
    """Verdicts on its own model."""
    prompt_tokens: int
    completion_tokens: int
    """Paid for."""
    cost: float | None


class Report(msgspec.Struct, frozen=True):
    questions: int
    contestants: list[str]
    judges: list[JudgeSummary]
    graded: list[Graded]
    compared: list[Compared]
    """By judge, and where there are several by their majority, `PANEL`."""


def report(folder: RunFolder, prices: Mapping[str, JudgeSettings]) -> Report:
    """`prices`: judges as they are configured now, by name."""
    latest = current(folder.verdicts)
    paired = of_pairs(latest)
    judges = list(dict.fromkeys(each.judge for each in latest))
    outcomes = list(paired.outcomes)
    comparing = list(dict.fromkeys(each.judge for each in outcomes))
    if len(comparing) > 1:
        outcomes += of_panel(PANEL, paired.outcomes, comparing).outcomes
    categories = {each.question_id: each.category or "" for each in folder.questions}
    return Report(
        questions=len(folder.questions),
        contestants=list(folder.manifest.contestants),
        judges=[
            _summary(name, folder.verdicts, latest, outcomes, prices.get(name)) for name in judges
        ],
        graded=_graded(latest, categories),
        compared=_compared(outcomes, folder),
    )


def _summary(
    name: str,
    everything: Sequence[Verdict],
    latest: Sequence[Verdict],
    outcomes: Sequence[Outcome],
    settings: JudgeSettings | None,
) -> JudgeSummary:
    mine = [each for each in latest if each.judge == name]
    status = Counter(each.status for each in mine)
    pairs = [each for each in outcomes if each.judge == name]
    known = [each.consistent for each in pairs if each.consistent is not None]
    shown = Counter(
        each.verdicts[0].choice
        for each in pairs
        if each.consistent is False and len(each.verdicts) == 2
        and each.verdicts[0].choice == each.verdicts[1].choice
    )  # fmt: skip
    one_order = sum(each.kind == "pair" and each.status == "given" for each in mine) - 2 * sum(
        len(each.verdicts) == 2 for each in pairs
    )
    paid = [each for each in everything if each.judge == name]
    prompt, completion = (
        sum(each.prompt_tokens for each in paid),
        sum(each.completion_tokens for each in paid),
    )
    return JudgeSummary(
        judge=name,
        verdicts=status["given"],
        nonsense=status["nonsense"],
        refused=status["refused"],
        pairs=len(pairs),
        halves=one_order,
        consistent=sum(known) / len(known) if known else None,
        first=shown["a"],
        second=shown["b"],
        own=sum(each.own for each in mine),
        prompt_tokens=prompt,
        completion_tokens=completion,
        cost=None if settings is None else settings.cost(prompt, completion),
    )


def _graded(latest: Iterable[Verdict], categories: Mapping[str, str]) -> list[Graded]:
    by: dict[tuple[str, str], list[Verdict]] = {}
    for each in latest:
        if each.kind == "grade" and each.score is not None:
            by.setdefault((each.judge, each.contestants[0]), []).append(each)
    found = [
        Graded(
            judge=judge,
            contestant=contestant,
            number=len(graded),
            mean=_mean(graded),
            turns={
                turn: _mean([each for each in graded if each.turn == turn])
                for turn in sorted({each.turn for each in graded})
            },
            categories={
                name: _mean([e for e in graded if categories.get(e.question, "") == name])
                for name in sorted({categories.get(each.question, "") for each in graded} - {""})
            },
            own=any(each.own for each in graded),
        )
        for (judge, contestant), graded in by.items()
    ]
    return sorted(found, key=lambda each: (each.judge, -each.mean, each.contestant))


def _compared(outcomes: Iterable[Outcome], folder: RunFolder) -> list[Compared]:
    manifest = folder.manifest
    by: dict[tuple[str, str], Counter[str]] = {}
    for each in outcomes:
        for name, won in ((each.a, "a"), (each.b, "b")):
            key = (each.judge, name)
            result = "tie" if each.outcome == "tie" else "win" if each.outcome == won else "loss"
            by.setdefault(key, Counter())[result] += 1
    found = [
        Compared(
            judge=judge,
            contestant=name,
            wins=count["win"],
            ties=count["tie"],
            losses=count["loss"],
            own=is_own(manifest.judges.get(judge, {}), name, manifest.contestants.get(name, {})),
        )
        for (judge, name), count in by.items()
    ]
    return sorted(found, key=lambda each: (each.judge, -each.share, each.contestant))


def _mean(graded: Sequence[Verdict]) -> float:
    return sum(each.score or 0.0 for each in graded) / len(graded)
