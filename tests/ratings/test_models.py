"""Models by name: what each holds, what it is made from, and what it finds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose
from ratings_boards import CONTESTANTS, Truth, names, simulate

from rostra.arena.ratings import models
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.posterior import DIMS
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec

TRUTH = Truth(np.array([0.8, 0.4, 0.1, -0.1, -0.4, -0.8]), side=0.2, tie=-0.2)
LENGTH_EFFECT = 0.5
SPECS = [
    ModelSpec(),
    ModelSpec(both_bad="out", side=False),
    ModelSpec(ties="rao-kupper", both_bad="tie", style=("length",), tie_style=("bold",)),
    ModelSpec(ties="bradley-terry", style=("bold", "length")),
]


@pytest.fixture(scope="module")
def board() -> Board:
    rng = np.random.default_rng(3)
    board = simulate(rng, TRUTH, votes=900, both_bad=0.2)
    covariates = {name: rng.normal(size=len(board.left)) for name in ("length", "bold")}
    return dataclasses.replace(board, covariates=covariates)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.ties}, {spec.both_bad}")
def test_a_model_has_the_variables_and_the_data_it_says(board: Board, spec: ModelSpec) -> None:
    model = models.build(board, spec)
    found = models.variables(spec)
    assert {rv.name for rv in model.free_RVs} == set(found) <= set(DIMS)
    assert {data.name for data in model.data_vars} == set(models.data(board, spec))
    for name in found:
        dims = {"style": ("covariate",), "tie_style": ("tie_covariate",)}.get(name, DIMS[name])
        assert model.named_vars_to_dims.get(name, ()) == dims
    for name, values in models.data(board, spec).items():
        assert_allclose(model[name].get_value(), values)


def test_both_bad_votes_are_kept_apart_counted_as_ties_or_left_out(board: Board) -> None:
    sums = {
        both_bad: models.data(board, ModelSpec(both_bad=both_bad))["votes"].sum(axis=0).tolist()
        for both_bad in ("own", "tie", "out")
    }
    a, tie, b, bad = board.table.sum(axis=0).tolist()
    assert sums == {"own": [a, tie, b], "tie": [a, tie + bad, b], "out": [a, tie, b]}
    own = models.data(board, ModelSpec())
    assert (own["bad_left"] < own["bad_right"]).all()
    assert len(own["bad_left"]) == CONTESTANTS * (CONTESTANTS - 1) / 2
    assert (own["bad_votes"].sum(), own["all_votes"].sum()) == (bad, board.num_votes)


def test_cells_are_told_apart_only_by_what_the_model_looks_at(board: Board) -> None:
    again = Board.of(
        board.contestants,
        np.tile(board.left, 2),
        np.tile(board.right, 2),
        np.tile(board.table, (2, 1)),
        covariates={
            "length": np.tile(board.covariates["length"], 2),
            "bold": np.concatenate([board.covariates["bold"], -board.covariates["bold"]]),
        },
    )
    assert len(again.left) == 2 * len(board.left)
    assert len(models.data(again, ModelSpec())["left"]) == len(board.left)
    assert len(models.data(again, ModelSpec(style=("length",)))["left"]) == len(board.left)
    by_bold = models.data(again, ModelSpec(style=("bold",), tie_style=("length", "bold")))
    assert len(by_bold["left"]) == len(again.left)
    assert by_bold["style_x"].shape == (len(again.left), 1)
    assert (by_bold["tie_style_x"] >= 0).all()


def test_a_covariate_that_the_votes_lack_is_refused(board: Board) -> None:
    line = "the votes carry no 'emoji'; they carry length, bold"
    with pytest.raises(RatingsError, match=line):
        fit(board, spec=ModelSpec(style=("emoji",)))
    with pytest.raises(RatingsError, match=line):
        fit(board, spec=ModelSpec(tie_style=("emoji",)))
    with pytest.raises(RatingsError, match="the votes carry no 'week'"):
        fit(board, spec=ModelSpec(structure="drift", factor="week"))


def confounded(rng: np.random.Generator, votes: int) -> Board:
    """Votes in which the stronger write longer, and length has an effect of its own."""
    left = rng.integers(CONTESTANTS, size=votes)
    right = (left + rng.integers(1, CONTESTANTS, size=votes)) % CONTESTANTS
    habit = 1.5 * TRUTH.strengths
    length = habit[left] - habit[right] + rng.normal(size=votes)
    # Binned, as stored covariates are; standardised.
    length = np.round(4 * length / length.std()) / 4
    difference = TRUTH.strengths[left] - TRUTH.strengths[right]
    chances = outcome_probabilities(
        "davidson", difference + TRUTH.side + LENGTH_EFFECT * length, TRUTH.tie
    )
    drawn = (rng.uniform(size=(votes, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    table = np.eye(4, dtype=np.int64)[np.minimum(drawn, 2)]
    return Board.of(names(CONTESTANTS), left, right, table, covariates={"length": length})


def test_a_planted_effect_of_length_comes_back() -> None:
    settings = FitSettings(chains=2, draws=500, tune=300, seed=5)
    spec = ModelSpec(both_bad="out", style=("length",))
    boards = [confounded(np.random.default_rng(seed), votes=2_000) for seed in range(5)]
    found = [fit(board, settings, spec=spec) for board in boards]
    assert all(posterior.diagnostics.divergences == 0 for posterior in found)
    effects = np.array([posterior.draws["style"][..., 0].ravel() for posterior in found])
    assert effects.mean() == pytest.approx(LENGTH_EFFECT, abs=0.1)
    low, high = np.quantile(effects, [0.03, 0.97], axis=1)
    # 94 % intervals: that two of five miss has a chance of 3 %.
    assert ((low < LENGTH_EFFECT) & (high > LENGTH_EFFECT)).sum() >= 4

    # At equal style the strengths are the true ones; without, length passes for strength.
    plain = fit(boards[0], settings, spec=ModelSpec(both_bad="out"))
    at_equal_style, confused = (
        np.abs(posterior.strengths.mean(axis=(0, 1)) - TRUTH.strengths).max()
        for posterior in (found[0], plain)
    )
    assert at_equal_style < 0.2
    assert confused > 0.3
