"""The options of `rostra rate` as a model, a selection of votes, and settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.arena.ratings.reduce import Wanted
    from rostra.arena.ratings.settings import Anchor
    from rostra.arena.ratings.spec import ModelSpec, Structure


class Ties(StrEnum):
    DAVIDSON = "davidson"
    RAO_KUPPER = "rao-kupper"
    BRADLEY_TERRY = "bradley-terry"


class BothBad(StrEnum):
    OWN = "own"
    TIE = "tie"
    OUT = "out"


class Factor(StrEnum):
    CATEGORY = "category"
    LANGUAGE = "language"
    CODE = "code"
    MATHS = "maths"
    LENGTH = "length"
    MULTI_TURN = "multi_turn"
    WEEK = "week"


class Period(StrEnum):
    WEEK = "week"


class Engine(StrEnum):
    NUTS = "nuts"
    LAPLACE = "laplace"


@dataclass(frozen=True)
class ModelOptions:
    """As given; None where an option was not."""

    ties: Ties
    side: bool | None
    both_bad: BothBad
    by: Factor | None
    drift: Period | None
    voters: bool
    style_control: str | None
    tie_style: str | None
    since: str | None
    until: str | None
    judges: bool = False

    def wanted(self) -> Wanted:
        """What the votes have to tell. Raises RostraError for what cannot be meant."""
        from rostra.arena.ratings.reduce import Wanted

        _, factor = self._structure()
        style = dict.fromkeys((*_names(self.style_control), *_names(self.tie_style)))
        return Wanted(
            factors=(factor,) if factor else (),
            style=tuple(style),
            since=parse_time("--since", self.since),
            until=parse_time("--until", self.until),
        )

    def spec(self, sided: bool, own: bool = False) -> ModelSpec:
        """`sided`: whether the votes tell who stood on which side; `own`: whether they tell which
        answers are of a judge's own family.

        Raises RostraError when a side effect is asked for of votes that do not.
        """
        from rostra.arena.ratings.spec import ModelSpec

        if self.side and not sided:
            raise RostraError(
                "--side: each pair stands in one order only, so these counts do not tell who stood "
                "on which side; leave the option out"
            )
        structure, factor = self._structure()
        return ModelSpec(
            ties=self.ties.value,
            side=sided if self.side is None else self.side,
            both_bad=self.both_bad.value,
            style=_names(self.style_control),
            tie_style=_names(self.tie_style),
            structure=structure,
            factor=factor,
            judge_style=("own",) if own and structure == "judges" else (),
        )

    def _structure(self) -> tuple[Structure, str | None]:
        given = [
            *(["--by"] if self.by else []),
            *(["--drift"] if self.drift else []),
            *(["--voters"] if self.voters else []),
            *(["--judges"] if self.judges else []),
        ]
        if len(given) > 1:
            raise RostraError(f"{' and '.join(given)} are different models; give one of them")
        if self.by:
            return "categories", self.by.value
        if self.drift:
            return "drift", self.drift.value
        if self.judges:
            return "judges", "judge"
        return ("voters", "voter") if self.voters else ("overall", None)


def parse_time(option: str, text: str | None) -> datetime | None:
    """ISO 8601; without a zone it is UTC. Raises RostraError for anything else."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RostraError(
            f"{option} {text!r} is not a date, as in 2026-11-22 or 2026-11-22T10:15+01:00"
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_anchor(text: str) -> Anchor:
    """`NAME=RATING`; the name may hold `=` itself. Raises RostraError for anything else."""
    from rostra.arena.ratings.settings import Anchor

    name, separator, rating = text.rpartition("=")
    try:
        if not (separator and name):
            raise ValueError
        return Anchor(float(rating), name)
    except ValueError:
        raise RostraError(
            f"--anchor {text!r} is not NAME=RATING, as in --anchor smollm2-135m=1000"
        ) from None


def parse_own(given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """`JUDGE=NAME,NAME` each. Raises RostraError for anything else."""
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        judge, separator, names = text.partition("=")
        family = tuple(name.strip() for name in names.split(",") if name.strip())
        if not (separator and judge.strip() and family):
            raise RostraError(f"--own {text!r} is not JUDGE=NAME,NAME, as in --own gpt4=gpt-4")
        found[judge.strip()] = (*found.get(judge.strip(), ()), *family)
    return found


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",")) if text is not None else ()
