"""Whether votes drawn from the model look like the votes: posterior predictive checks.

For each of some hundred draws, as many votes as there are in each cell are drawn from the model
and set beside the real ones (Gelman et al., Bayesian Data Analysis, 3rd ed., section 6.3). "Both
bad" votes are left out, or ties, as the model has them; a model without ties is checked on the
votes that are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.counting import counted
from rostra.arena.ratings.summary.cells import Cells, told_apart
from rostra.arena.ratings.summary.intervals import PROBABILITIES, FloatArray, Interval

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior

IntArray = NDArray[np.int64]
Counts = NDArray[np.floating[Any]]
Three = Sequence[Counts]
"""Counts of the real votes, of replicated ones, and expected ones."""
REPLICATIONS = 200
MOST_DRAWN = 8_000_000
"""Replicated cells; on a board with more, there are fewer replications, but at least a quarter."""
SURPRISING = 0.01
"""A tail probability below it is told."""
BINS = 10


@dataclass(frozen=True, eq=False)
class Shares:
    """Observed shares beside those of replicated votes; arrays of one shape, NaN without votes."""

    votes: IntArray
    """What each share is a share of."""
    observed: FloatArray
    predicted: FloatArray
    """Mean over the replications' own chances."""
    low: FloatArray
    """94 % of the replicated shares lie from here"""
    high: FloatArray
    """to here."""

    @property
    def outside(self) -> float:
        """Share of the observed ones outside their interval: 6 % of them by chance, less where
        shares are coarse. NaN where there are none."""
        known = np.isfinite(self.observed)
        out = (self.observed < self.low) | (self.observed > self.high)
        return float(out[known].mean()) if known.any() else float("nan")


@dataclass(frozen=True)
class Check:
    """One test quantity."""

    name: str
    observed: float
    """Of the real votes; for a misfit its mean over the draws."""
    predicted: float
    """Mean over replicated votes."""
    eti_94: Interval
    """Of replicated votes."""
    p_value: float
    """Probability that replicated votes give at least as much, equal ones counted half. Near 0 or 1
    for a share, near 0 for a misfit, the model does not do this justice."""


@dataclass(frozen=True, eq=False)
class Predictive:
    """Replicated votes beside the real ones."""

    replications: int
    checks: tuple[Check, ...]
    """Shares of all votes, and misfits: the Freeman-Tukey distance of counts from what each draw
    expects, by pair, of ties by pair, and by contestant and side."""
    first: IntArray
    """[pairs], index of a contestant; pairs that met, whatever the side."""
    second: IntArray
    """[pairs], index of the other, higher than `first`."""
    pairs: Shares
    """[pairs, 3]: the first wins, ties, the second wins."""
    sides: Shares
    """[contestants, 2]: score on the left and on the right, a tie counting one half."""
    calibration: Shares
    """[bins, 2]: cells by the predicted chance, in tenths, that the left wins, and of a tie."""
    strain: float
    """How far scores by pair stray from the predicted ones beyond chance, as a share: the root of
    the mean square over votes, less what replicated votes have. Zero where chance explains it."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what the model does not do justice, for a reader of the ratings."""
        p_values = {check.name: check.p_value for check in self.checks}
        told = []
        if p_values["misfit by pair"] < SURPRISING:
            told.append(
                "Votes by pair stray from what the model predicts by more than chance "
                f"(p {_p(p_values['misfit by pair'])}), typically by "
                f"{100 * self.strain:.1f} percentage points of score."
            )
        if p_values["misfit of ties"] < SURPRISING:
            told.append(
                "Ties vary from pair to pair by more than the model allows "
                f"(p {_p(p_values['misfit of ties'])})."
            )
        if p_values["misfit by side"] < SURPRISING:
            told.append(
                "Contestants differ in what a side does for them, where the model has one effect "
                f"for all (p {_p(p_values['misfit by side'])})."
            )
        return tuple(told)


def predictive(posterior: Posterior, replications: int = REPLICATIONS) -> Predictive:
    """Replicates the votes of `posterior`. The same posterior gives the same result."""
    made, meant, board = _replicate(posterior, replications)
    three = (board.decided[..., None].astype(float), made, meant)
    size = len(board.contestants)

    first, second = np.minimum(board.left, board.right), np.maximum(board.left, board.right)
    met, pair = np.unique(first * size + second, return_inverse=True)
    flipped = (board.left > board.right)[:, None, None]

    def by_pair(counts: Counts) -> Counts:
        return _sums(np.where(flipped, counts[:, ::-1], counts), pair, len(met))

    def by_side(counts: Counts) -> Counts:
        """[contestants, sides, draws], scores."""
        scores = [counts[:, [win]] + counts[:, [1]] / 2 for win in (0, 2)]
        sides = (board.left, board.right)
        parts = [_sums(x, side, size) for x, side in zip(scores, sides, strict=True)]
        return np.concatenate(parts, axis=1)

    pairs = [by_pair(counts) for counts in three]
    sides = [by_side(counts) for counts in three]
    total = board.decided.sum(axis=1)
    on_sides = [np.bincount(side, total, size) for side in (board.left, board.right)]
    overall = [counts.sum(axis=0) / max(board.num_decided, 1) for counts in three[:2]]
    return Predictive(
        replications=made.shape[-1],
        checks=(
            *(
                _check(name, *(shares[outcome] for shares in overall))
                for outcome, name in enumerate(("left wins", "ties", "right wins"))
            ),
            _misfit("misfit by pair", *pairs),
            _misfit("misfit of ties", *(counts[:, 1:2] for counts in pairs)),
            _misfit("misfit by side", *sides),
        ),
        first=met // size,
        second=met % size,
        pairs=_shares(pairs, pairs[0].sum(axis=1)),
        sides=_shares(sides, np.stack(on_sides, axis=1)),
        calibration=_calibration(*three),
        strain=_strain(*pairs),
    )


def _replicate(posterior: Posterior, replications: int) -> tuple[Counts, Counts, Board]:
    """Replicated and expected votes [pairs, 3, draws] by ordered pair, and the board of these."""
    cells = told_apart(posterior)
    if posterior.spec.ties == "bradley-terry":
        without_ties = cells.table * np.array([1, 0, 1, 0])
        cells = counted(replace(cells, table=without_ties), posterior.spec)
    board = cells.pooled
    most = MOST_DRAWN // max(len(cells.left), 1)
    under = Cells.of(posterior, cells, max(-(-replications // 4), min(replications, most)))
    rng = np.random.default_rng(posterior.settings.seed)
    size = len(board.contestants)
    place = np.searchsorted(board.left * size + board.right, cells.left * size + cells.right)
    shape = (len(board.left), 3, len(under.chosen))
    # Single precision is exact for counts up to 16 million.
    made, meant = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    for piece, chances in under.pieces():
        total = cells.decided[piece].sum(axis=1)
        # Three rounded numbers, whose sum must not exceed one.
        drawn = rng.multinomial(total, chances / chances.sum(axis=-1, keepdims=True))
        for counts, values in (
            (made, drawn),
            (meant, chances * total[:, None]),
        ):
            by_cell = np.ascontiguousarray(values.transpose(1, 2, 0), dtype=np.float32)
            # Cells are in ascending order of pairs, so a piece covers a run of them.
            start, end = place[piece][0], place[piece][-1] + 1
            counts[start:end] += _sums(by_cell, place[piece] - start, end - start)
    return made, meant, board


def _sums(values: Counts, index: IntArray, size: int) -> Counts:
    """[size, k, draws], `values` [n, k, draws] added up over equal `index` [n]."""
    number, k, draws = values.shape
    ones = np.ones(number, dtype=values.dtype)
    gather = csr_array((ones, (index, np.arange(number))), shape=(size, number))
    return np.asarray(gather @ values.reshape(number, k * draws)).reshape(size, k, draws)


def _shares(three: Three, votes: NDArray[Any]) -> Shares:
    """`three`: [n, k, 1], [n, k, draws], [n, k, draws]; `votes`: [n, k] or [n, 1], what they are
    shares of."""
    real, made, meant = three
    votes = np.broadcast_to(votes, real.shape[:-1])
    of = np.where(votes > 0, votes, np.nan)
    low, high = np.quantile(made, [PROBABILITIES[0], PROBABILITIES[-1]], axis=-1) / of
    return Shares(votes.astype(np.int64), real[..., 0] / of, meant.mean(axis=-1) / of, low, high)


def _calibration(real: Counts, made: Counts, meant: Counts) -> Shares:
    """By the predicted chance in tenths, that the left wins and of a tie."""
    votes = real.sum(axis=1)
    predicted = meant.mean(axis=-1) / votes
    columns = []
    for outcome in (0, 1):
        tenth = np.minimum((predicted[:, outcome] * BINS).astype(np.int64), BINS - 1)
        counts = [_sums(x[:, [outcome]], tenth, BINS) for x in (real, made, meant)]
        total = np.bincount(tenth, votes[:, 0], BINS)[:, None]
        columns.append(_shares(counts, total))
    return Shares(
        *(
            np.concatenate([getattr(column, name) for column in columns], axis=1)
            for name in ("votes", "observed", "predicted", "low", "high")
        )
    )


def _check(name: str, observed: Counts, replicated: Counts) -> Check:
    """Both [draws], or `observed` [1]."""
    above = (replicated > observed).mean() + (replicated == observed).mean() / 2
    low, high = np.quantile(replicated, [PROBABILITIES[0], PROBABILITIES[-1]])
    return Check(
        name=name,
        observed=float(observed.mean()),
        predicted=float(replicated.mean()),
        eti_94=Interval(float(low), float(high)),
        p_value=float(above),
    )


def _misfit(name: str, real: Counts, made: Counts, meant: Counts) -> Check:
    """Freeman and Tukey 1950, Annals of Mathematical Statistics 21: steady where counts are few."""

    def distance(counts: Counts) -> FloatArray:
        apart = (np.sqrt(counts) - np.sqrt(meant)) ** 2
        return np.asarray(apart.sum(axis=(0, 1), dtype=np.float64))

    return _check(name, distance(real), distance(made))


def _strain(real: Counts, made: Counts, meant: Counts) -> float:
    def score(counts: Counts) -> Counts:
        return counts[:, 0] + counts[:, 1] / 2

    votes = real.sum(axis=(1, 2))
    expected = score(meant).mean(axis=-1, keepdims=True)
    chance = ((score(made) - expected) ** 2).mean(axis=-1)
    # Squared differences of counts over votes: squared differences of shares, weighted by votes.
    beyond = (score(real) - expected)[:, 0] ** 2 - chance
    total = float(votes.sum())
    return float(np.sqrt(max((beyond / votes).sum() / total, 0.0))) if total else 0.0


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "under 0.001"
