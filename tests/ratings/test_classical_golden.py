"""Scores that evalica's golden files hold, on two tiny tables and on 8,931 real votes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from classical_boards import read, votes
from numpy.typing import NDArray

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical import (
    EloSettings,
    LikelihoodSettings,
    average_win_rate,
    counting,
    eigenvector,
    elo,
    maximum_likelihood,
    newman,
    pagerank,
)

Rows = list[tuple[str, str, str]]


def bradley_terry(rows: Rows) -> NDArray[np.float64]:
    """Worths that sum to 1, ties as half wins."""
    found = maximum_likelihood(
        Board.from_comparisons(rows), LikelihoodSettings(ties="half", side=False)
    )
    worths = np.exp(found.strengths)
    return worths / worths.sum()


def of_losses(rows: Rows) -> NDArray[np.float64]:
    """Their scores by eigenvector are those of who lost to whom: the best has the least."""
    return eigenvector(Board.from_comparisons([(right, left, how) for left, right, how in rows]))


METHODS: dict[str, Callable[[Rows], NDArray[np.float64]]] = {
    "average_win_rate": lambda rows: average_win_rate(Board.from_comparisons(rows)),
    "bradley_terry": bradley_terry,
    "counting": lambda rows: counting(Board.from_comparisons(rows)),
    "eigen": of_losses,
    "elo": lambda rows: elo(rows, settings=EloSettings(k=4)).ratings,
    "newman": lambda rows: np.exp(newman(Board.from_comparisons(rows)).strengths),
    "pagerank": lambda rows: pagerank(Board.from_comparisons(rows)),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("table", "golden"),
    [
        ("evalica/food.csv", "evalica/food_golden.csv"),
        ("evalica/simple.csv", "evalica/simple_golden.csv"),
        ("llmfao/votes.csv", "llmfao/golden.csv"),
    ],
)
def test_golden_scores(table: str, golden: str, method: str, shared_data: Path) -> None:
    expected: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for row in read(shared_data / golden):
        expected[row["algorithm"]][row["item"]] = float(row["score"])
    assert set(expected) == set(METHODS)
    rows = votes(shared_data / table)
    names = Board.from_comparisons(rows).contestants
    scores = [expected[method][name] for name in names]
    np.testing.assert_allclose(METHODS[method](rows), scores, rtol=1e-6)
