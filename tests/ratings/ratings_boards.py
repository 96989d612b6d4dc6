"""Votes from a known truth, and posteriors that nobody had to sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.diagnostics import Diagnostics
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec

CONTESTANTS = 6
"""The same in all tests that sample, because each other number costs a compilation."""


@dataclass(frozen=True)
class Truth:
    strengths: NDArray[np.float64]
    side: float
    tie: float


def names(number: int) -> tuple[str, ...]:
    digits = max(2, len(str(number - 1)))
    return tuple(f"c{position:0{digits}d}" for position in range(number))


def draw_truth(rng: np.random.Generator, contestants: int = CONTESTANTS) -> Truth:
    """From the priors of the model."""
    strengths = rng.normal(size=contestants) * rng.lognormal(np.log(0.6), 0.5)
    return Truth(
        strengths=strengths - strengths.mean(),
        side=rng.normal(0.0, 0.5),
        tie=rng.normal(0.0, 1.5),
    )


def simulate(rng: np.random.Generator, truth: Truth, votes: int, both_bad: float = 0) -> Board:
    """Votes on pairs and sides drawn uniformly; `both_bad` is the share of such votes."""
    size = len(truth.strengths)
    left, right = np.nonzero(~np.eye(size, dtype=bool))
    met = rng.multinomial(votes, np.full(len(left), 1 / len(left)))
    bad = rng.binomial(met, both_bad)
    eta = truth.strengths[left] - truth.strengths[right] + truth.side
    outcomes = rng.multinomial(met - bad, outcome_probabilities("davidson", eta, truth.tie))
    return board(names(size), left, right, outcomes[:, 0], outcomes[:, 1], outcomes[:, 2], bad)


def board(
    contestants: tuple[str, ...],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    wins_left: NDArray[np.int64],
    ties: NDArray[np.int64],
    wins_right: NDArray[np.int64],
    both_bad: NDArray[np.int64] | None = None,
) -> Board:
    zero = np.zeros_like(wins_left)
    table = np.stack([wins_left, ties, wins_right, zero if both_bad is None else both_bad], axis=1)
    return Board.of(contestants, left, right, table)


def made_up_posterior(
    mean: NDArray[np.float64],
    sd: float = 0.2,
    settings: FitSettings | None = None,
    findings: tuple[str, ...] = (),
    chains: int = 4,
    draws: int = 500,
) -> Posterior:
    """Normal draws round `mean` [contestants], natural log odds, and 20 votes on each pair."""
    rng = np.random.default_rng(0)
    strengths = mean + sd * rng.normal(size=(chains, draws, len(mean)))
    truth = Truth(mean, side=0.1, tie=-0.5)
    return Posterior(
        draws={
            "strength": strengths - strengths.mean(axis=-1, keepdims=True),
            "scale": np.full((chains, draws), 0.6),
            "side": rng.normal(0.1, 0.05, size=(chains, draws)),
            "tie": rng.normal(-0.5, 0.1, size=(chains, draws)),
        },
        board=simulate(rng, truth, votes=20 * len(mean) * (len(mean) - 1), both_bad=0.1),
        settings=settings or FitSettings(),
        diagnostics=Diagnostics(1.001, 2100.0, 1900.0, 0, findings),
        spec=ModelSpec(),
        provenance=Provenance(),
        versions={"rostra": "0"},
        created=datetime(2026, 11, 22, 10, 15, tzinfo=UTC),
    )


def posterior_of(strengths: ArrayLike, board: Board | None = None) -> Posterior:
    """These strengths [draws, contestants] as one chain, a tie propensity of zero, no side.

    Default board: one vote for the left on each ordered pair.
    """
    flat = np.asarray(strengths, dtype=float)
    draws, size = flat.shape
    left, right = np.nonzero(~np.eye(size, dtype=bool))
    template = made_up_posterior(np.zeros(2), draws=2)
    return replace(
        template,
        draws={"strength": flat[None], "side": np.zeros((1, draws)), "tie": np.zeros((1, draws))},
        board=Board.of(names(size), left, right, [[1, 0, 0, 0]] * len(left))
        if board is None
        else board,
    )


def two_groups() -> Board:
    """`c00` and `c01` met, `c02` and `c03` met."""
    return Board.of(names(4), [0, 1, 2, 3], [1, 0, 3, 2], [[6, 2, 3, 1]] * 4)
