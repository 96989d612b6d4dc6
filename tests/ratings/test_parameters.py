from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from ratings_boards import made_up_posterior

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.spec import ModelSpec
from rostra.arena.ratings.summary.field import field
from rostra.arena.ratings.summary.parameters import Parameter, parameters

MEANS = np.array([0.8, -0.3, 0.1])


def of(posterior: Posterior) -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in parameters(posterior)}


def test_a_side_is_told_as_the_share_of_an_equal() -> None:
    posterior = made_up_posterior(MEANS)
    side = of(posterior)["side"]
    assert side.mean == pytest.approx(posterior.side.mean())
    assert tuple(side.eti_94) == pytest.approx(tuple(np.quantile(posterior.side, [0.03, 0.97])))
    # Davidson: given that one is preferred, the odds are exp(eta).
    assert side.effect == pytest.approx(np.mean(1 / (1 + np.exp(-posterior.side))))
    assert "wins 52." in side.sentence
    assert "the side sways votes" in side.sentence
    unclear = dataclasses.replace(
        posterior, draws={**posterior.draws, "side": posterior.side - 0.1}
    )
    assert "no effect of the side is shown" in of(unclear)["side"].sentence


def test_ties_are_told_as_the_share_of_two_equals() -> None:
    posterior = made_up_posterior(MEANS)
    nu = np.exp(posterior.tie)
    assert of(posterior)["tie"].effect == pytest.approx(np.mean(nu / (2 + nu)))


def test_each_covariate_has_its_coefficient() -> None:
    plain = made_up_posterior(MEANS)
    shape = plain.side.shape
    rng = np.random.default_rng(1)
    style = np.stack([rng.normal(0.5, 0.01, shape), rng.normal(0, 0.2, shape)], axis=-1)
    posterior = dataclasses.replace(
        plain,
        draws={**plain.draws, "style": style, "tie_style": style[..., :1]},
        spec=ModelSpec(style=("length", "bold"), tie_style=("length",)),
    )
    found = of(posterior)
    assert found["style:length"].effect == pytest.approx(math.exp(0.5), rel=0.01)
    assert "sways" in found["style:length"].sentence
    assert "no effect is shown" in found["style:bold"].sentence
    assert found["tie_style:length"].mean == pytest.approx(0.5, abs=0.01)


def test_what_a_model_lacks_is_not_told() -> None:
    posterior = made_up_posterior(MEANS)
    only = dataclasses.replace(posterior, draws={"strength": posterior.strengths})
    assert parameters(only) == ()


def test_spreads_and_kinds_are_told() -> None:
    plain = made_up_posterior(MEANS)
    shape = plain.side.shape
    kinds = np.broadcast_to([0.8, 0.15, 0.05], (*shape, 3))
    posterior = dataclasses.replace(
        plain,
        draws={
            **plain.draws,
            "bad_mean": np.full(shape, -1.0),
            "bad_scale": np.full(shape, 0.5),
            "level_scale": np.full(shape, 0.2),
            "kind_share": kinds,
        },
        spec=ModelSpec(structure="drift", factor="week"),
    )
    found = of(posterior)
    assert found["bad_mean"].effect == pytest.approx(1 / (1 + math.e))
    assert "from one week to the next" in found["level_scale"].sentence
    assert found["kind_share:careless"].sentence.startswith("Voters that are careless: 15.0 %")


def test_the_field_counts_votes_and_opponents() -> None:
    posterior = made_up_posterior(MEANS)
    board = Board.of(
        posterior.contestants, [0, 1, 0], [1, 0, 2], [[3, 1, 2, 4], [1, 0, 1, 0], [0, 0, 0, 5]]
    )
    found = field(dataclasses.replace(posterior, board=board), current=["c00", "c02"])
    assert found.votes.tolist() == [17, 12, 5]
    assert found.decided.tolist() == [8, 8, 0]
    assert found.opponents.tolist() == [1, 1, 0]
    assert found.share.sum() == pytest.approx(2)
    assert found.competes.tolist() == [True, False, True]
    assert found.both_bad_rate[2] == 1
    # Nothing links the third with anybody.
    assert np.isnan(found.score[2])
    assert found.score[0] + found.score[1] == pytest.approx(1)


def test_scores_are_means_over_all_opponents() -> None:
    posterior = made_up_posterior(MEANS)
    found = field(posterior)
    assert found.score.mean() == pytest.approx(0.5)
    score = posterior.pairs.score
    assert found.score[1] == pytest.approx((score[1, 0] + score[1, 2]) / 2)
    equals = field(made_up_posterior(np.zeros(4), sd=0.0))
    assert equals.score == pytest.approx(np.full(4, 0.5))
    assert found.competes.all()
