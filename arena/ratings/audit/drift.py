"""Whether contestants changed while votes were collected."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from rostra.arena.ratings.audit.evidence import WEEK, Evidence, listed
from rostra.arena.ratings.audit.finding import Finding
from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.settings import ELO_PER_NAT
from rostra.arena.ratings.summary.mode import Problem, mode

MIN_VOTES = 30
"""Of a contestant in each half; as in `coverage`."""
ERROR_RATE = 0.01
"""Of a board without drift: the chance that any of its contestants is said to have changed."""
MATERIAL = 0.1
"""Natural log odds, 17 Elo points. A smaller change, however sure, is no other contestant."""


def probe(evidence: Evidence) -> Finding:
    """The strengths in the first half of the votes against those in the second, parted at a week.

    Differences beyond the normal interval that holds for all contestants at once (Šidák 1967, JASA
    62), so that as many boards without drift raise an alarm as `ERROR_RATE` says.
    """
    board = evidence.by_week
    if board is None:
        return Finding("drift", "cannot tell", "The votes do not tell when they were cast.")
    weeks = board.factors[WEEK]
    per_week = np.bincount(weeks.codes, board.decided.sum(axis=1), minlength=len(weeks.levels))
    if np.count_nonzero(per_week) < 2:
        return Finding("drift", "cannot tell", "All votes were cast in one week.", {"weeks": 1})
    # The week at whose beginning the numbers of votes before and after differ least.
    before = np.cumsum(per_week)[:-1]
    part = int(np.argmin(np.abs(2 * before - per_week.sum()))) + 1
    halves = [_half(board, weeks.codes < part), _half(board, weeks.codes >= part)]
    votes = np.array([half.per_contestant(half.decided.sum(axis=1)) for half in halves])
    compared = np.flatnonzero((votes >= MIN_VOTES).all(axis=0))
    numbers: dict[str, float | int | None] = {
        "weeks": len(weeks.levels),
        "compared": len(compared),
    }
    if len(compared) < 2:
        text = (
            f"Too few votes to tell whether anyone changed: {len(compared)} contestants have "
            f"{MIN_VOTES} votes before {weeks.levels[part]} and after."
        )
        return Finding("drift", "cannot tell", text, numbers)
    early, late = (mode(Problem.of(evidence.posterior, half)) for half in halves)
    # Only differences are known: each against the mean of those compared.
    centre = np.eye(len(compared)) - 1 / len(compared)
    change = centre @ (late.strengths - early.strengths)[compared]
    spread = (early.covariance + late.covariance)[np.ix_(compared, compared)]
    sd = np.sqrt(np.diag(centre @ spread @ centre))
    critical = float(-ndtri((1 - (1 - ERROR_RATE) ** (1 / len(compared))) / 2))
    names = [evidence.names[i] for i in compared]
    z = change / sd
    changed = np.flatnonzero((np.abs(z) > critical) & (np.abs(change) > MATERIAL))
    most = int(np.argmax(np.abs(z)))
    numbers |= {
        "largest_z": float(np.abs(z).max()),
        "critical_z": critical,
        "largest_change_elo": float(change[most] * ELO_PER_NAT),
        "changed": len(changed),
    }
    details = {
        "parted_at": weeks.levels[part],
        "changes_elo": {n: float(c * ELO_PER_NAT) for n, c in zip(names, change, strict=True)},
    }
    if not len(changed):
        text = (
            f"No contestant changed beyond its interval from before {weeks.levels[part]} to after."
        )
        return Finding("drift", "pass", text, numbers, details)
    swapped = [
        pair
        for pair in evidence.reversed_by(late.strengths)
        if any(names[i] in pair.split(" > ") for i in changed)
    ]
    moved = [f"{names[i]} by {change[i] * ELO_PER_NAT:+.0f} Elo points" for i in changed]
    text = f"Changed with the week of {weeks.levels[part]}: {listed(moved)}."
    if swapped:
        text += f" In the later votes separated pairs swap ({listed(swapped)})."
    return Finding("drift", "fail" if swapped else "warning", text, numbers, details)


def _half(board: Board, cells: np.ndarray) -> Board:
    return Board.of(
        board.contestants,
        board.left[cells],
        board.right[cells],
        board.table[cells],
        {name: Factor(f.levels, f.codes[cells]) for name, f in board.factors.items()},
    ).pooled
