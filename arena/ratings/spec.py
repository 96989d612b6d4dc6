"""Which model of the votes: every assumption with a name, so that it can be seen and switched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rostra.arena.ratings.errors import RatingsError

Ties = Literal["davidson", "rao-kupper", "bradley-terry"]
BothBad = Literal["own", "tie", "out"]
Structure = Literal["overall", "categories", "voters", "drift", "judges"]
KINDS = ("attentive", "careless", "contrary")
"""Of voters, in the order of the dimension `kind`; see `rostra.arena.ratings.models.voters`."""
PEOPLE = "people"
"""The level of the factor `judge` of votes that no model cast."""


@dataclass(frozen=True)
class Priors:
    """Weakly informative, in natural log odds. The reasons stand where each is used."""

    scale_median: float = 0.6
    """Of the spread of the strengths, LogNormal."""
    scale_sigma: float = 0.5
    """Standard deviation of its logarithm."""
    side_sd: float = 0.5
    tie_sd: float = 1.5
    """Of the tie parameter, and of the intercept of "both bad"."""
    style_sd: float = 0.5
    """Of the effect of one standard deviation of a style covariate; wide on purpose, because a
    tight one shrinks real effects of length to nothing."""
    bad_scale_median: float = 0.6
    """Of the spread of the contestants' shares of "both bad", LogNormal with `scale_sigma`."""
    level_scale_sd: float = 0.3
    """Of the spread of a level's strengths round the overall ones (categories), half-normal."""
    drift_sd: float = 0.1
    """Of one period's step of a strength (drift), half-normal."""
    attentive: float = 8.0
    """Of the attentive among voters (voters), in a Dirichlet prior that counts 1 for the careless
    and 1 for the contrary."""
    judge_weight_sd: float = 0.5
    """Of what a judge's odds make of a difference in strength, round 1, people's (judges)."""
    judge_scale_sd: float = 0.5
    """Of the spread of judges' biases round people's (judges), half-normal."""
    judge_tie_sd: float = 1.0
    """Of a judge's tie parameter round people's (judges)."""
    taste_sd: float = 0.3
    """Of the spread of what else a judge likes of a contestant (judges), half-normal."""


@dataclass(frozen=True)
class ModelSpec:
    """One model. The default is Davidson's with a side effect and "both bad" as its own outcome."""

    ties: Ties = "davidson"
    """Likelihood of the three outcomes that bear on the order; see
    `rostra.arena.ratings.outcomes`. With `bradley-terry` a tie counts half a win for each."""
    side: bool = True
    """Whether the answer on the left has an advantage of its own."""
    both_bad: BothBad = "own"
    """`own`: an outcome of its own, modelled beside the order; `tie`: counted as a tie, as on
    boards that do not tell them apart; `out`: left out."""
    style: tuple[str, ...] = ()
    """Names of covariates of the board that move the odds; strengths are then at equal style."""
    tie_style: tuple[str, ...] = ()
    """Names of covariates that move the propensity to tie, by their absolute value."""
    structure: Structure = "overall"
    """`categories`: strengths by level of `factor`, partially pooled to the overall ones;
    `voters`: `factor` is the voter, who may be careless or contrary; `drift`: `factor` is the
    period, strengths walk from one to the next; `judges`: `factor` tells the verdicts of each
    judge from the votes of people, whose strengths are rated."""
    factor: str | None = None
    """Name of a factor of the board; None for `overall`."""
    judge_style: tuple[str, ...] = ()
    """Names of covariates that move judges' verdicts and no person's vote (judges), as the one that
    tells which answer is of the judge's own family."""
    priors: Priors = field(default_factory=Priors)

    def __post_init__(self) -> None:
        if (self.structure == "overall") != (self.factor is None):
            raise RatingsError(
                f"structure {self.structure!r} with factor {self.factor!r}: "
                "name a factor for every structure but 'overall'"
            )
        if self.ties == "bradley-terry" and self.tie_style:
            raise RatingsError("bradley-terry has no propensity to tie; leave tie_style out")
        if self.judge_style and self.structure != "judges":
            raise RatingsError("judge_style is of the structure 'judges'; leave it out")
        if both := set(self.judge_style) & {*self.style, "side"}:
            raise RatingsError(f"{', '.join(both)}: give judge_style what people's votes lack")

    @property
    def judge_biases(self) -> tuple[str, ...]:
        """Names of what moves a judge's verdicts besides strengths, in the order of the dimension
        `bias`; none but in the structure `judges`."""
        if self.structure != "judges":
            return ()
        return (*(("side",) if self.side else ()), *self.style, *self.judge_style)
