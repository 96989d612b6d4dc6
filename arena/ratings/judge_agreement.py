"""How far judges agree with people on the battles that both judged, and people among themselves.

A battle is one question, one turn of it and two contestants, whichever stood on the left. Of people
the majority counts, a split one as a tie; "both bad" is a tie, as it prefers neither. Of several
verdicts of one judge on a battle, as of both orders of the answers, those that differ are a tie.

Judge and people: Cohen's kappa (1960, Educational and Psychological Measurement 20). People among
themselves, of whom each judges few battles: Krippendorff's alpha (2011, Computing Krippendorff's
alpha-reliability), beside the share of pairs of votes on a battle that are alike. Without ties:
those battles where neither side's label is one; among people, those votes that are none.

Intervals are percentiles over questions drawn with replacement (Efron 1979, Annals of Statistics
7): verdicts on the answers to one question go together, battles of it are no independent draws.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rostra.arena.ratings.classical.agreement import (
    alphas,
    coincidences,
    kappas,
    majority,
    shares_alike,
)
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.frame import JUDGE
from rostra.arena.ratings.spec import PEOPLE

FloatArray = NDArray[np.float64]
LEVEL = 0.95
FIRST, SECOND, TIE = "first", "second", "tie"
LABELS = (FIRST, SECOND, TIE)
"""By the contestants' names in ascending order, whoever stood on the left."""


@dataclass(frozen=True, order=True)
class Judged:
    """What was judged."""

    prompt: str
    turn: str
    first: str
    second: str


@dataclass(frozen=True)
class AgreementRow:
    """Of two judges, a judge and people, or people among themselves, on one set of battles."""

    first: str
    second: str
    """`people` for their majority; with `first` also `people`: one with another."""
    subset: str
    """`all`, or a category or a turn as `category: coding`, `turn: 2`."""
    ties: bool
    """Whether ties count as a label; otherwise battles with one are left out."""
    battles: int
    agreement: float | None
    """Share of battles with the same label, of pairs of votes among people; None without any."""
    agreement_95: tuple[float, float] | None
    kappa: float | None
    """Cohen's; among people Krippendorff's alpha. None where chance would agree always."""
    kappa_95: tuple[float, float] | None


@dataclass(frozen=True)
class JudgeAgreement:
    rows: tuple[AgreementRow, ...]
    left_out: tuple[tuple[str, int], ...]
    """Votes and verdicts that could not be matched, reason and number."""
    rounds: int
    seed: int


@dataclass(frozen=True)
class _Battles:
    """Everybody's labels by what was judged."""

    people: Mapping[Judged, tuple[str, ...]]
    judges: Mapping[str, Mapping[Judged, str]]
    category: Mapping[Judged, str]


def judge_agreement(votes: pl.DataFrame, rounds: int = 2000, seed: int = 1) -> JudgeAgreement:
    """Of a vote frame with the columns `judge` and `prompt`; `turn` and `category` where it has
    them.

    Raises RatingsError when no verdict is of a battle that people or another judge judged too.
    """
    if rounds < 1:
        raise RatingsError(f"{rounds} rounds make no interval; give 1 or more")
    found, left_out = _battles(votes)
    rows = [
        _row(first, second, subset, ties, tables, kappa, rounds, seed)
        for first, second, subset, ties, tables, kappa in _compared(found)
    ]
    if not any(row.first != PEOPLE for row in rows):
        verdicts = sum(map(len, found.judges.values()))
        raise RatingsError(
            f"{sum(map(len, found.people.values())):,} votes of people and {verdicts:,} verdicts "
            "have no battle in common (question, turn and both contestants): run the judge on the "
            "questions that people voted on"
        )
    return JudgeAgreement(tuple(rows), left_out, rounds, seed)


Tables = list[tuple[str, FloatArray]]
"""Of each battle its question and [labels, labels], what two gave it."""
Compared = tuple[str, str, str, bool, Tables, Callable[[FloatArray], FloatArray]]


def _compared(found: _Battles) -> Iterator[Compared]:
    """Whom with whom, on what, with ties or without, and by which coefficient."""
    people = {battle: majority(labels, split=TIE) for battle, labels in found.people.items()}
    sides: dict[str, Mapping[Judged, str]] = {**found.judges, PEOPLE: people}
    names = [*found.judges, PEOPLE]
    pairs = [(first, second) for i, first in enumerate(names) for second in names[i + 1 :]]
    for first, second in sorted(pairs, key=lambda pair: pair[1] != PEOPLE):
        shared = [battle for battle in sides[first] if battle in sides[second]]
        for subset, chosen in _subsets(shared, found.category):
            for ties in (True, False):
                tables = [
                    (battle.prompt, _given(sides[first][battle], sides[second][battle]))
                    for battle in chosen
                    if ties or TIE not in (sides[first][battle], sides[second][battle])
                ]
                yield first, second, subset, ties, tables, kappas
    several = [battle for battle, labels in found.people.items() if len(labels) > 1]
    for subset, chosen in _subsets(several, found.category):
        for ties in (True, False):
            kept = {
                battle: [label for label in found.people[battle] if ties or label != TIE]
                for battle in chosen
            }
            tables = [
                (battle.prompt, coincidences(labels, LABELS))
                for battle, labels in kept.items()
                if len(labels) > 1
            ]
            yield PEOPLE, PEOPLE, subset, ties, tables, alphas


def _given(first: str, second: str) -> FloatArray:
    table = np.zeros((len(LABELS), len(LABELS)))
    table[LABELS.index(first), LABELS.index(second)] = 1
    return table


def _subsets(
    battles: Sequence[Judged], category: Mapping[Judged, str]
) -> Iterator[tuple[str, list[Judged]]]:
    """All of them if there are any; then by category and by turn, where there are several."""
    if not battles:
        return
    yield "all", list(battles)
    for heading, of in (
        ("category", lambda battle: category.get(battle, "")),
        ("turn", lambda battle: battle.turn),
    ):
        parts: defaultdict[str, list[Judged]] = defaultdict(list)
        for battle in battles:
            parts[of(battle)].append(battle)
        if len(parts) > 1:
            for name in sorted(parts):
                yield f"{heading}: {name or 'none'}", parts[name]


def _row(
    first: str,
    second: str,
    subset: str,
    ties: bool,
    tables: Tables,
    kappa: Callable[[FloatArray], FloatArray],
    rounds: int,
    seed: int,
) -> AgreementRow:
    prompts = sorted({prompt for prompt, _ in tables})
    index = {prompt: place for place, prompt in enumerate(prompts)}
    by_prompt = np.zeros((len(prompts), len(LABELS), len(LABELS)))
    for prompt, table in tables:
        by_prompt[index[prompt]] += table
    whole = by_prompt.sum(axis=0)[None]
    rng = np.random.default_rng(seed)
    drawn = whole[:0]
    if len(prompts) > 1:
        times = rng.multinomial(len(prompts), np.full(len(prompts), 1 / len(prompts)), size=rounds)
        drawn = np.tensordot(times.astype(float), by_prompt, axes=1)
    return AgreementRow(
        first=first,
        second=second,
        subset=subset,
        ties=ties,
        battles=len(tables),
        agreement=_number(shares_alike(whole)[0]),
        agreement_95=_interval(shares_alike(drawn)),
        kappa=_number(kappa(whole)[0]),
        kappa_95=_interval(kappa(drawn)),
    )


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _interval(values: FloatArray) -> tuple[float, float] | None:
    """None where too few of the resamples have a value for the interval to be one."""
    known = values[np.isfinite(values)]
    if len(known) < LEVEL * max(1, len(values)):
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _battles(votes: pl.DataFrame) -> tuple[_Battles, tuple[tuple[str, int], ...]]:
    """Raises RatingsError when the votes do not tell their questions or their judges."""
    for name in (JUDGE, "prompt"):
        if name not in votes.columns:
            raise RatingsError(f"the votes carry no {name}, so none can be set beside another's")
    for name in ("turn", "category"):
        if name not in votes.columns:
            votes = votes.with_columns(pl.lit(None, pl.String).alias(name))
    asked = votes.filter(pl.col("prompt").is_not_null())
    people: defaultdict[Judged, list[str]] = defaultdict(list)
    judges: defaultdict[str, defaultdict[Judged, list[str]]] = defaultdict(
        lambda: defaultdict(list)
    )
    category: dict[Judged, str] = {}
    columns = ("left", "right", "outcome", JUDGE, "prompt", "turn", "category")
    for left, right, outcome, judge, prompt, turn, kind in asked.select(columns).iter_rows():
        battle = Judged(prompt, turn or "", min(left, right), max(left, right))
        label = TIE
        if outcome in ("a", "b"):
            label = FIRST if (left if outcome == "a" else right) == battle.first else SECOND
        (people if judge is None else judges[judge])[battle].append(label)
        if kind is not None:
            category[battle] = kind
    found = _Battles(
        people={battle: tuple(labels) for battle, labels in people.items()},
        judges={
            name: {
                battle: labels[0] if len(set(labels)) == 1 else TIE
                for battle, labels in sorted(judges[name].items())
            }
            for name in sorted(judges)
        },
        category=category,
    )
    missing = len(votes) - len(asked)
    left_out = [("no question", missing)] if missing else []
    alone = sum(battle not in found.people for labels in found.judges.values() for battle in labels)
    if alone:
        left_out.append(("verdict on a battle that no person judged", alone))
    return found, tuple(left_out)
