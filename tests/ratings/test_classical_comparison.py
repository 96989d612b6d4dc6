"""The classical estimates beside a posterior."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ratings_boards import made_up_posterior

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical import (
    LikelihoodSettings,
    average_win_rate,
    beside,
    bootstrap,
    compression,
    elo,
    maximum_likelihood,
)
from rostra.arena.ratings.settings import Anchor, FitSettings
from rostra.arena.ratings.spec import ModelSpec

MEAN = np.array([0.5, 0.2, 0.0, -0.1, -0.2, -0.4])


def test_every_column_is_the_estimator_it_names() -> None:
    posterior = made_up_posterior(MEAN)
    board = posterior.board
    found = beside(posterior, rounds=20, seed=5)
    names = [row.contestant for row in found.rows]
    order = [board.contestants.index(name) for name in names]
    means = [row.posterior for row in found.rows]
    assert means == sorted(means, reverse=True)
    fitted = maximum_likelihood(board)
    half = maximum_likelihood(board, LikelihoodSettings(ties="half"))
    rounds = bootstrap(board, rounds=20, seed=5)
    for i, row in zip(order, found.rows, strict=True):
        assert row.posterior == pytest.approx(posterior.ratings[..., i].mean())
        assert row.posterior_94 == pytest.approx(
            np.quantile(posterior.ratings[..., i], [0.03, 0.97])
        )
        assert row.maximum_likelihood == pytest.approx(fitted.ratings[i])
        assert row.sandwich_94 == pytest.approx([side[i] for side in fitted.interval(0.94)])
        assert row.bootstrap_94 == pytest.approx([side[i] for side in rounds.interval(0.94)])
        assert row.half_ties == pytest.approx(half.ratings[i])
        assert row.win_rate == pytest.approx(average_win_rate(board)[i])
        assert row.elo is None
        assert row.why is None
    assert found.compression == compression(board)
    assert found.notes == ()


def test_online_elo_where_the_order_is_known() -> None:
    posterior = made_up_posterior(MEAN)
    votes = [("c00", "c01", "a"), ("c02", "c00", "b"), ("c05", "c03", "tie")]
    found = beside(posterior, votes, rounds=5)
    expected = elo(votes, posterior.contestants).ratings
    assert {row.contestant: row.elo for row in found.rows} == pytest.approx(
        dict(zip(posterior.contestants, expected, strict=True))
    )


def test_the_model_and_the_anchor_are_the_posterior_s() -> None:
    settings = FitSettings(anchor=Anchor(1200.0, "c02"))
    spec = ModelSpec(ties="bradley-terry", side=False, both_bad="tie")
    posterior = replace(made_up_posterior(MEAN, settings=settings), spec=spec)
    rows = {row.contestant: row for row in beside(posterior, rounds=5).rows}
    assert rows["c02"].maximum_likelihood == pytest.approx(1200)
    assert rows["c02"].bootstrap_94 == pytest.approx((1200, 1200))
    fitted = maximum_likelihood(
        posterior.board,
        LikelihoodSettings(ties="half", side=False, both_bad="tie", anchor=settings.anchor),
    )
    for i, name in enumerate(posterior.contestants):
        assert rows[name].maximum_likelihood == pytest.approx(fitted.ratings[i])
        assert rows[name].half_ties == rows[name].maximum_likelihood


def test_who_has_no_classical_rating_is_there_all_the_same() -> None:
    posterior = made_up_posterior(MEAN, settings=FitSettings(anchor=Anchor(name="c00")))
    board = posterior.board
    kept = (board.left != 0) & (board.right != 0)
    won = Board.of(
        board.contestants,
        [*board.left[kept], 0],
        [*board.right[kept], 1],
        [*board.table[kept], [3, 0, 0, 0]],
    )
    found = beside(replace(posterior, board=won), rounds=20)
    row = next(row for row in found.rows if row.contestant == "c00")
    assert row.maximum_likelihood is None
    assert row.sandwich_94 is None
    assert row.bootstrap_94 is None
    assert row.half_ties is None
    assert row.win_rate == 1
    assert row.why is not None
    assert "undefeated in 3 votes" in row.why
    assert any("c00 has no finite estimate" in note for note in found.notes)
    assert any("In some bootstrap rounds 1 of 6" in note for note in found.notes)
