"""The classical estimates beside a posterior, one row for each contestant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical.bootstrap import Bootstrap, bootstrap
from rostra.arena.ratings.classical.compression import Compression, compression
from rostra.arena.ratings.classical.elo import EloSettings, elo
from rostra.arena.ratings.classical.estimates import MaximumLikelihood
from rostra.arena.ratings.classical.maximum_likelihood import maximum_likelihood
from rostra.arena.ratings.classical.rows import LikelihoodSettings
from rostra.arena.ratings.classical.win_rate import average_win_rate
from rostra.arena.ratings.settings import Anchor

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior

FloatArray = NDArray[np.float64]
LEVEL = 0.94
"""Of every interval, as of the posterior's."""


@dataclass(frozen=True)
class ComparisonRow:
    """One contestant, on the Elo scale. None where no such number exists; `why` says why."""

    contestant: str
    posterior: float
    """Mean."""
    posterior_94: tuple[float, float]
    maximum_likelihood: float | None
    """Of the same likelihood without priors."""
    sandwich_94: tuple[float, float] | None
    bootstrap_94: tuple[float, float] | None
    """Percentiles; an end that is infinite where resampled votes leave it open."""
    half_ties: float | None
    """Maximum likelihood with ties as half wins, as most published boards have it."""
    elo: float | None
    """Online, when the order of votes was given."""
    win_rate: float | None
    """Mean over the opponents it met."""
    why: str | None
    """Why maximum likelihood gives it no rating."""


@dataclass(frozen=True)
class Comparison:
    rows: tuple[ComparisonRow, ...]
    """By descending posterior mean."""
    compression: Compression
    notes: tuple[str, ...]
    """Sentences that a reader of the rows needs."""


def beside(
    posterior: Posterior,
    votes: Iterable[tuple[str, str, str]] | None = None,
    *,
    rounds: int = 100,
    seed: int = 1,
    elo_settings: EloSettings = EloSettings(),  # noqa: B008 (frozen)
) -> Comparison:
    """The same votes, likelihood and anchor by classical methods.

    `votes`: `(left, right, outcome)` in the order they were cast, for online Elo, which a board of
    counts cannot tell.
    """
    spec, board = posterior.spec, posterior.board
    # The likelihood that the posterior's model has, without its priors.
    settings = LikelihoodSettings(
        ties="half" if spec.ties == "bradley-terry" else spec.ties,
        side=spec.side,
        both_bad="tie" if spec.both_bad == "tie" else "out",
        style=spec.style,
        anchor=posterior.settings.anchor,
    )
    fitted, half, resampled, notes = _fits(board, settings, rounds, seed)
    online = None if votes is None else elo(votes, board.contestants, elo_settings).ratings
    rates = average_win_rate(board, settings.both_bad)
    draws = posterior.ratings.reshape(-1, len(board.contestants))
    mean = draws.mean(axis=0)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    sandwich, percentiles = fitted.interval(LEVEL), resampled.interval(LEVEL)
    rows = [
        ComparisonRow(
            contestant=board.contestants[i],
            posterior=float(mean[i]),
            posterior_94=(float(low[i]), float(high[i])),
            maximum_likelihood=_number(fitted.ratings[i]),
            sandwich_94=_interval(sandwich, i) if fitted.rated[i] else None,
            bootstrap_94=_interval(percentiles, i),
            half_ties=_number(half.ratings[i]),
            elo=None if online is None else float(online[i]),
            win_rate=_number(rates[i]),
            why=fitted.why.get(board.contestants[i]),
        )
        for i in np.argsort(-mean, kind="stable")
    ]
    scales = compression(board, side=spec.side, both_bad=settings.both_bad)
    return Comparison(tuple(rows), scales, (*fitted.notes, *notes))


def _fits(
    board: Board, settings: LikelihoodSettings, rounds: int, seed: int
) -> tuple[MaximumLikelihood, MaximumLikelihood, Bootstrap, list[str]]:
    """Maximum likelihood with the ties of the model and as halves, the bootstrap, and notes."""
    anchor = settings.anchor
    mean = replace(settings, anchor=Anchor(rating=anchor.rating))
    fits = [maximum_likelihood(board, each) for each in (mean, replace(mean, ties="half"))]
    resampled = bootstrap(board, mean, rounds=rounds, seed=seed)
    notes = []
    if anchor.name is not None:
        at = board.contestants.index(anchor.name)
        if all(fit.rated[at] for fit in fits) and not resampled.unplaced[at]:
            fits = [replace(fit, settings=replace(fit.settings, anchor=anchor)) for fit in fits]
            resampled = resampled.anchored(anchor)
        else:
            notes.append(
                f"{anchor.name} has no finite estimate in every fit, so the classical ratings have "
                "the mean of the field as their anchor."
            )
    open_ones = int((resampled.unplaced > 0).sum())
    if open_ones:
        notes.append(
            f"In some bootstrap rounds {open_ones} of {len(board.contestants)} contestants have no "
            "finite estimate; their intervals have an open end or are missing."
        )
    return fits[0], fits[1], resampled, notes


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _interval(bounds: tuple[FloatArray, FloatArray], at: int) -> tuple[float, float] | None:
    low, high = float(bounds[0][at]), float(bounds[1][at])
    return None if np.isnan(low) or np.isnan(high) else (low, high)
