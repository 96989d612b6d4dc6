"""Chains of models with a mirror image start on the side that most votes are on."""

from __future__ import annotations

import numpy as np
import pytest

from rostra.arena.ratings import models
from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.engines.starts import log_odds
from rostra.arena.ratings.engines.structure_densities import JITTER_OF_VOTERS, density
from rostra.arena.ratings.spec import ModelSpec


def test_the_order_as_most_votes_see_it() -> None:
    votes = np.array([[8, 1, 2], [5, 0, 5]])
    data = {"left": np.array([0, 1]), "right": np.array([1, 2]), "votes": votes}
    expected = np.log([9 / 3, 8 / 14, 6 / 6])
    assert log_odds(data, 3) == pytest.approx(expected - expected.mean())


def test_chains_of_voters_start_near_it() -> None:
    table = np.array([[30, 0, 5, 0], [20, 0, 20, 0]])
    voters = Factor(("ann", "bob"), np.array([0, 1]))
    board = Board.of(["a", "b", "c"], [0, 1], [1, 2], table, factors={"voter": voters})
    spec = ModelSpec(structure="voters", factor="voter", both_bad="out")
    data = models.data(board, spec)
    found = density(3, 2, spec, data)
    points = np.array([found.start(np.random.default_rng(seed)) for seed in range(20)])
    starts = found.variables(points)
    apart = np.abs(starts["strength"] - log_odds(data, 3)).max()
    assert 0 < apart < 2 * JITTER_OF_VOTERS
    # The prior's shares.
    assert starts["kind_share"].mean(axis=0) == pytest.approx([0.8, 0.1, 0.1], abs=0.03)
