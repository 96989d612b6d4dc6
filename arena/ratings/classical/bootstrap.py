"""The spread of maximum-likelihood estimates over resampled votes, percentile intervals.

A multinomial draw of the counts is the same as drawing votes with replacement one by one (Efron
1979, Annals of Statistics 7). Voters are drawn whole when they are the independent units.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical.fitting import Fitted, fit_rows
from rostra.arena.ratings.classical.rows import LikelihoodSettings, Rows
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.settings import ELO_PER_NAT, Anchor

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Estimates of each round, on the Elo scale."""

    board: Board
    settings: LikelihoodSettings
    """`cluster`: what was drawn whole; None: single votes."""
    seed: int
    draws: FloatArray
    """[rounds, contestants], each round with the anchor at its rating, as LMSYS's boards have it.
    Plus infinity in a round in which nobody of the main group has beaten a contestant that beat
    them, minus infinity in the reverse case, NaN in one whose votes do not place it. An anchor
    that is the mean is that of contestants with a finite draw in every round."""
    failed: int
    """Rounds without a maximum even within groups; NaN in `draws`."""

    @property
    def rounds(self) -> int:
        return len(self.draws)

    @cached_property
    def unplaced(self) -> NDArray[np.int64]:
        """[contestants], rounds without a finite estimate."""
        return (~np.isfinite(self.draws)).sum(axis=0)

    def anchored(self, anchor: Anchor) -> Bootstrap:
        """The same rounds on another scale. Raises RatingsError for an anchor that is not finite
        in every round."""
        draws = _anchored(self.draws / ELO_PER_NAT, self.board, anchor)
        return replace(self, draws=draws, settings=replace(self.settings, anchor=anchor))

    def interval(self, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Lower and upper percentiles, each [contestants].

        Infinite where it is open above or below. NaN for an end that is not known: both of who had
        rounds that do not place it, the lower one of who is above the others in nearly all rounds.
        """
        bounds = np.array([(1 - level) / 2, (1 + level) / 2])
        finite = np.isfinite(self.draws).all(axis=0)
        lower, upper = np.full((2, self.draws.shape[1]), np.nan)
        lower[finite], upper[finite] = np.quantile(self.draws[:, finite], bounds, axis=0)
        # Between a finite draw and an infinite one there is nothing to interpolate.
        known = ~finite & ~np.isnan(self.draws).any(axis=0)
        lower[known] = np.quantile(self.draws[:, known], bounds[0], axis=0, method="lower")
        upper[known] = np.quantile(self.draws[:, known], bounds[1], axis=0, method="higher")
        lower[lower == np.inf], upper[upper == -np.inf] = np.nan, np.nan
        return lower, upper


def bootstrap(
    board: Board,
    settings: LikelihoodSettings = LikelihoodSettings(),  # noqa: B008 (frozen)
    *,
    rounds: int = 100,
    seed: int = 1,
) -> Bootstrap:
    """The estimates of `settings` from votes drawn again `rounds` times.

    Weights of pairs are those of the votes as they are, in every round. Raises RatingsError for a
    name the board does not have, or less than 2 rounds.
    """
    if rounds < 2:
        raise RatingsError(f"rounds is {rounds}; an interval needs at least 2")
    settings.check_anchor(board)
    rng = np.random.default_rng(seed)
    rows = Rows.of(board, settings)
    resampled = (
        _votes(rng, rows, rounds)
        if settings.cluster is None
        else _clusters(rng, board, settings, settings.cluster, rounds)
    )
    size = len(board.contestants)
    whole = fit_rows(size, rows, settings.ties)
    start = None if whole.optimum is None else whole.optimum.theta
    main = whole.groups.place == 0
    strengths = np.full((rounds, size), np.nan)
    failed = 0
    for number, votes in enumerate(resampled):
        fitted = fit_rows(size, rows.with_votes(votes), settings.ties, start, preferred=main)
        if fitted.optimum is None:
            failed += 1
        else:
            strengths[number] = _extended(fitted)
    strengths[:, ~main] = _infinite(whole.groups.place[~main])
    return Bootstrap(board, settings, seed, _anchored(strengths, board, settings.anchor), failed)


def _votes(rng: np.random.Generator, rows: Rows, rounds: int) -> Iterator[FloatArray]:
    """Counts [rows, 3] of each round, as many votes as there are."""
    total = int(rows.votes.sum())
    shares = rows.votes.ravel() / max(total, 1)
    for _ in range(rounds):
        yield rng.multinomial(total, shares).reshape(rows.votes.shape).astype(float)


def _clusters(
    rng: np.random.Generator, board: Board, settings: LikelihoodSettings, factor: str, rounds: int
) -> Iterator[FloatArray]:
    """Counts [rows, 3] of each round, as many clusters as there are."""
    fine = Rows.of(board, settings, keep=(factor,))
    codes = board.by(factor, covariates=settings.style).factors[factor].codes
    drawn_from = np.unique(codes)
    # Cells of a board are in the order that `unique` makes.
    keys = np.column_stack([fine.left, fine.right, fine.extras])
    cells, inverse = np.unique(keys, axis=0, return_inverse=True)
    pooled = csr_array(
        (np.ones(len(codes)), (inverse.ravel(), np.arange(len(codes)))),
        shape=(len(cells), len(codes)),
    )
    for _ in range(rounds):
        times = np.bincount(rng.choice(drawn_from, len(drawn_from)), minlength=codes.max() + 1)
        yield pooled @ (fine.votes * times[codes][:, None])


def _extended(fitted: Fitted) -> FloatArray:
    """[contestants], strengths in which infinity is a value."""
    assert fitted.optimum is not None
    strengths = fitted.groups.centred(fitted.optimum.theta)[: fitted.problem.size]
    place = fitted.groups.place
    return np.where(place == 0, strengths, _infinite(place))


def _infinite(place: NDArray[np.int64]) -> FloatArray:
    """Of `Groups.place`; NaN for a place that votes do not tell."""
    return np.select([place == 1, place == -1], [np.inf, -np.inf], np.nan)


def _anchored(strengths: FloatArray, board: Board, anchor: Anchor) -> FloatArray:
    """[rounds, contestants], Elo."""
    finite = np.asarray(np.isfinite(strengths).all(axis=0))
    if anchor.name is not None:
        at = board.contestants.index(anchor.name)
        if not finite[at]:
            raise RatingsError(
                f"{anchor.name!r} cannot be the anchor: in "
                f"{(~np.isfinite(strengths[:, at])).sum()} of {len(strengths)} rounds it has no "
                "finite estimate"
            )
        zero = strengths[:, [at]]
    elif finite.any():
        zero = strengths[:, finite].mean(axis=1, keepdims=True)
    else:
        zero = np.zeros((len(strengths), 1))
    return ELO_PER_NAT * (strengths - zero) + anchor.rating
