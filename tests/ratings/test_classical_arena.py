"""Chatbot Arena: the official board of 29 March 2024, and 1.67 million votes of 14 August 2024."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from classical_boards import arena_of_august, read, votes
from numpy.typing import NDArray
from scipy.stats import spearmanr

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical import (
    Bootstrap,
    bootstrap,
    compression,
    maximum_likelihood,
    rank_by_bounds,
    rank_spread,
)
from rostra.arena.ratings.classical.rows import LikelihoodSettings
from rostra.arena.ratings.settings import Anchor

MIXTRAL = Anchor(1114.0, "mixtral-8x7b-instruct-v0.1")


class March:
    """The published board, contestants in its order."""

    def __init__(self, folder: Path) -> None:
        rows = read(folder / "leaderboard.csv")
        self.names = [row[""] for row in rows]
        columns = ("rating", "variance", "rating_q025", "rating_q975", "final_ranking")
        self.columns = {name: np.array([float(row[name]) for row in rows]) for name in columns}
        with (folder / "bootstrap100.csv").open(encoding="utf-8", newline="") as file:
            head, *rounds = csv.reader(file)
        assert sorted(head) == sorted(self.names)
        order = [head.index(name) for name in self.names]
        self.rounds = np.array(rounds, dtype=float)[:, order]
        self.decided = self._decided(folder)

    def rating(self, names: tuple[str, ...]) -> NDArray[np.float64]:
        return self.columns["rating"][[self.names.index(name) for name in names]]

    @staticmethod
    def _decided(folder: Path) -> Board:
        """Of the 25 strongest, votes that decided: their counts leave ties out."""
        tables = []
        for name in ("battle_counts.csv", "win_fractions.csv"):
            with (folder / name).open(encoding="utf-8", newline="") as file:
                head, *rows = csv.reader(file)
            assert [row[0] for row in rows] == head[1:]
            tables.append(np.array([[float(cell or "nan") for cell in row[1:]] for row in rows]))
        counts, fractions = tables
        names = sorted(head[1:])
        order = [head[1:].index(name) for name in names]
        counts, fractions = counts[np.ix_(order, order)], fractions[np.ix_(order, order)]
        i, j = np.nonzero(np.triu(counts > 0))
        won = counts[i, j] * fractions[i, j]
        np.testing.assert_allclose(won, won.round(), atol=1e-6)
        won, met, none = won.round(), counts[i, j], np.zeros_like(i)
        return Board.of(names, i, j, np.stack([won, none, met - won, none], axis=1))


@pytest.fixture(scope="module")
def march(shared_data: Path) -> March:
    return March(shared_data / "arena_20240329")


@pytest.fixture(scope="module")
def august(shared_data: Path) -> Board:
    return arena_of_august(shared_data)


def test_published_bounds_and_variances_from_the_published_rounds(march: March) -> None:
    order = np.argsort(march.names)
    board = Board.of(sorted(march.names), [], [], [])
    rounds = Bootstrap(board, LikelihoodSettings(anchor=MIXTRAL), 0, march.rounds[:, order], 0)
    low, high = rounds.interval(0.95)
    np.testing.assert_allclose(low, march.columns["rating_q025"][order], rtol=1e-12)
    np.testing.assert_allclose(high, march.columns["rating_q975"][order], rtol=1e-12)
    variance = rounds.draws.var(axis=0, ddof=1)
    np.testing.assert_allclose(variance, march.columns["variance"][order], atol=1e-9)
    again = rounds.anchored(Anchor(1000.0))
    np.testing.assert_allclose(again.anchored(MIXTRAL).draws, rounds.draws, atol=1e-9)


def test_published_ranks_from_the_published_bounds(march: March) -> None:
    low, high = march.columns["rating_q025"], march.columns["rating_q975"]
    ranks = rank_by_bounds(low, high)
    np.testing.assert_array_equal(ranks, march.columns["final_ranking"])
    best, worst = rank_spread(low, high)
    np.testing.assert_array_equal(best, ranks)
    place = np.argsort(np.argsort(-march.columns["rating"])) + 1
    assert np.all((best <= place) & (place <= worst))


def test_the_published_table_of_decided_votes_orders_the_models_as_the_board_does(
    march: March,
) -> None:
    """25 of 76 models, without their ties: not the votes that the ratings are from, but near."""
    board = march.decided
    assert (board.num_votes, len(board.left)) == (154_279, 238)
    found = maximum_likelihood(board, LikelihoodSettings(side=False, anchor=MIXTRAL))
    published = march.rating(board.contestants)
    assert found.ratings[board.contestants.index(MIXTRAL.name)] == pytest.approx(1114)
    assert np.corrcoef(found.ratings, published)[0, 1] > 0.994
    assert spearmanr(found.ratings, published)[0] > 0.994
    # Ties as half wins compress the published scale.
    slope = np.polyfit(found.ratings, published, 1)[0]
    assert slope == pytest.approx(0.644, abs=5e-3)


@pytest.mark.parametrize(
    ("ties", "log_loss"), [("davidson", 1.01001), ("rao-kupper", 1.00948), ("half", 0.65541)]
)
def test_log_loss_of_august(august: Board, ties: str, log_loss: float) -> None:
    """Cross-entropy of the three models as leaderbot reports it, both-bad votes left out."""
    found = maximum_likelihood(august, LikelihoodSettings(ties=ties, side=False))
    assert august.num_votes == 1_670_250
    assert -found.loglik / august.num_decided == pytest.approx(log_loss, abs=2e-5)
    assert found.converged
    assert found.gradient < 1e-9
    assert not found.why
    assert not found.notes


def test_half_ties_compress_the_scale_of_real_boards(august: Board, shared_data: Path) -> None:
    with_bad = compression(august, side=False, both_bad="tie")
    assert with_bad.slope == pytest.approx(0.634, abs=5e-4)
    assert with_bad.correlation > 0.9999
    assert "0.63 points" in with_bad.sentence
    assert compression(august, side=False).slope == pytest.approx(0.776, abs=5e-4)
    crowd = Board.from_comparisons(votes(shared_data / "llmfao" / "votes.csv"))
    assert compression(crowd).slope == pytest.approx(0.570, abs=5e-4)


def test_bootstrap_and_sandwich_agree_on_a_big_board(august: Board) -> None:
    options = {"ties": "half", "side": False, "both_bad": "tie"}
    found = maximum_likelihood(august, LikelihoodSettings(**options))
    rounds = bootstrap(august, LikelihoodSettings(**options), rounds=100, seed=3)
    assert not rounds.unplaced.any()
    ratio = rounds.draws.std(axis=0, ddof=1) / found.sandwich_se
    assert np.median(ratio) == pytest.approx(1, abs=0.05)
    assert np.all((ratio > 0.75) & (ratio < 1.3))
    # A tie as half a win is no draw from Bradley and Terry's model: their error is too wide.
    assert np.all(found.sandwich_se < found.se)


def test_side_and_ties_of_crowd_workers(shared_data: Path) -> None:
    board = Board.from_comparisons(votes(shared_data / "llmfao" / "votes.csv"))
    np.testing.assert_array_equal(board.table.sum(axis=0), [2911, 3471, 2549, 0])
    found = maximum_likelihood(board, LikelihoodSettings(ties="davidson", side=True))
    error = found.coefficient_se("sandwich")["side"]
    assert found.coefficients["side"] == pytest.approx(0.16, abs=5e-3)
    assert found.coefficients["tie"] == pytest.approx(0.39, abs=1e-2)
    bounds = found.coefficients["side"] + 1.881 * error * np.array([-1, 1])
    assert bounds == pytest.approx([0.10, 0.22], abs=5e-3)
    assert found.contestants[int(np.argmax(found.ratings))] == "GPT 4"
