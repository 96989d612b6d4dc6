"""What verdicts come to: of both orders of a pair, of scores, of a panel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from rostra.arena.judge.judging import current
from rostra.arena.judge.records import Choice, Verdict

_SWAPPED: dict[Choice, Choice] = {"a": "b", "b": "a", "tie": "tie"}


@dataclass(frozen=True)
class Outcome:
    """Of one pair at one turn."""

    judge: str
    question: str
    turn: int
    a: str
    b: str
    """By name after `a`, whatever order they were shown in."""
    outcome: Choice
    """`a`: that contestant is better. A tie where the two orders disagree."""
    consistent: bool | None
    """Whether both orders said the same; `None` where that was not asked or is not known."""
    verdicts: tuple[Verdict, ...]
    own: bool = False
    members: tuple[tuple[str, Choice], ...] = ()
    """Of a panel: what each of its judges said."""

    @property
    def place(self) -> tuple[str, int, str, str]:
        return self.question, self.turn, self.a, self.b


@dataclass(frozen=True)
class Paired:
    outcomes: tuple[Outcome, ...]
    halves: int
    """Pairs that have a verdict in one order only, and so no outcome."""


def of_pairs(verdicts: Iterable[Verdict]) -> Paired:
    """Of comparisons: two orders each, or what an import says that both came to."""
    orders: dict[tuple[str, str, int, str, str], dict[bool, Verdict]] = {}
    found: list[Outcome] = []
    for each in current(verdicts):
        if each.kind == "grade" or each.status != "given" or each.choice is None:
            continue
        a, b = sorted(each.contestants)
        straight = each.contestants[0] == a
        if each.kind == "agreed":
            choice = each.choice if straight else _SWAPPED[each.choice]
            found.append(_outcome(each, a, b, choice, each.consistent, (each,)))
        else:
            key = (each.judge, each.question, each.turn, a, b)
            orders.setdefault(key, {})[straight] = each
    halves = 0
    for (_, _, _, a, b), both in orders.items():
        if len(both) < 2:
            halves += 1
            continue
        first, second = both[True], both[False]
        said = first.choice, _SWAPPED[second.choice or "tie"]
        consistent = said[0] == said[1]
        choice = (first.choice or "tie") if consistent else "tie"
        found.append(_outcome(first, a, b, choice, consistent, (first, second)))
    return Paired(tuple(found), halves)


def scoring(judge: str) -> str:
    """Under which name the outcomes of a judge's scores go."""
    return f"{judge} (scores)"


def of_grades(verdicts: Iterable[Verdict]) -> list[Outcome]:
    """The higher score of each two answers to a question wins; equal scores are a tie. Their judge
    is named by `scoring`."""
    by: dict[tuple[str, str, int], list[Verdict]] = {}
    for each in current(verdicts):
        if each.kind == "grade" and each.status == "given" and each.score is not None:
            by.setdefault((each.judge, each.question, each.turn), []).append(each)
    found = []
    for graded in by.values():
        ordered = sorted(graded, key=lambda each: each.contestants)
        for one, other in combinations(ordered, 2):
            difference = (one.score or 0.0) - (other.score or 0.0)
            choice: Choice = "a" if difference > 0 else "b" if difference < 0 else "tie"
            a, b = one.contestants[0], other.contestants[0]
            outcome = _outcome(one, a, b, choice, None, (one, other))
            found.append(replace(outcome, judge=scoring(one.judge)))
    return found


def of_panel(name: str, outcomes: Iterable[Outcome], judges: Sequence[str]) -> Paired:
    """What more than half of `judges` say, and a tie where no outcome has that many. Where one of
    them gave no outcome there is none, and it is among `halves`."""
    by: dict[tuple[str, int, str, str], list[Outcome]] = {}
    for each in outcomes:
        if each.judge in judges:
            by.setdefault(each.place, []).append(each)
    found, halves = [], 0
    for (question, turn, a, b), members in by.items():
        if len(members) < len(judges):
            halves += 1
            continue
        choice, votes = Counter(each.outcome for each in members).most_common(1)[0]
        known = [each.consistent for each in members]
        found.append(
            Outcome(
                judge=name,
                question=question,
                turn=turn,
                a=a,
                b=b,
                outcome=choice if 2 * votes > len(members) else "tie",
                consistent=None if None in known else all(known),
                verdicts=tuple(verdict for each in members for verdict in each.verdicts),
                own=any(each.own for each in members),
                members=tuple((each.judge, each.outcome) for each in members),
            )
        )
    return Paired(tuple(found), halves)


def _outcome(
    one: Verdict,
    a: str,
    b: str,
    choice: Choice,
    consistent: bool | None,
    verdicts: tuple[Verdict, ...],
) -> Outcome:
    own = any(each.own for each in verdicts)
    return Outcome(one.judge, one.question, one.turn, a, b, choice, consistent, verdicts, own)
