"""The densities by hand against PyMC's own, values and gradients."""

from __future__ import annotations

import dataclasses

import numpy as np
import pymc as pm
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from ratings_boards import Truth, simulate

from rostra.arena.ratings import models
from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.engines import densities, structure_densities
from rostra.arena.ratings.engines.densities import Density
from rostra.arena.ratings.models import both_bad, values
from rostra.arena.ratings.spec import PEOPLE, ModelSpec, Priors

TRUTH = Truth(np.array([0.8, 0.3, -0.2, -0.9]), side=0.3, tie=0.2)
# None at its default, so that a figure that is not passed on shows.
PRIORS = Priors(
    scale_median=0.7,
    scale_sigma=0.4,
    side_sd=0.3,
    tie_sd=1.1,
    style_sd=0.8,
    bad_scale_median=0.9,
    level_scale_sd=0.4,
    drift_sd=0.2,
    attentive=5.0,
    judge_weight_sd=0.6,
    judge_scale_sd=0.7,
    judge_tie_sd=0.9,
    taste_sd=0.35,
)
TRANSFORMED = {
    "scale": "_log__",
    "bad_scale": "_log__",
    "strength": "_zerosum__",
    "bad": "_zerosum__",
    "level_scale": "_log__",
    "taste_scale": "_log__",
    "judge_scale": "_log__",
    "deviation": "_zerosum__",
    "step": "_zerosum__",
    "taste_deviation": "_zerosum__",
    "kind_share": "_simplex__",
}
SCALARS = ("scale", "side", "tie", "bad_mean", "bad_scale", "level_scale", "taste_scale")
ROWS = {"deviation": 2, "step": 2, "taste_deviation": 2, "bias_deviation": 2}
"""Levels less one, and judges, of the boards here."""
LEVELS = ("2026-11-02", "2026-11-09", "2026-11-30")
STRUCTURES = [
    ModelSpec(structure="categories", factor="week", style=("length",), tie_style=("bold",)),
    ModelSpec(structure="drift", factor="week", ties="rao-kupper"),
    ModelSpec(structure="drift", factor="week", ties="bradley-terry", side=False),
    ModelSpec(structure="voters", factor="voter", style=("length",), tie_style=("bold",)),
    ModelSpec(structure="voters", factor="voter", ties="rao-kupper"),
    ModelSpec(structure="voters", factor="voter", ties="bradley-terry", side=False),
    ModelSpec(structure="judges", factor="judge", style=("length",), judge_style=("bold",)),
    ModelSpec(structure="judges", factor="judge", ties="rao-kupper", tie_style=("length",)),
    ModelSpec(structure="judges", factor="judge", ties="bradley-terry", side=False),
]


@pytest.fixture(scope="module")
def board() -> Board:
    rng = np.random.default_rng(3)
    board = simulate(rng, TRUTH, votes=900, both_bad=0.2)
    covariates = {name: rng.normal(size=len(board.left)) for name in ("length", "bold")}
    voters = tuple(f"v{number}" for number in range(7))
    factors = {
        "week": Factor(LEVELS, rng.integers(3, size=len(board.left))),
        "voter": Factor(voters, rng.integers(7, size=len(board.left))),
        "judge": Factor(("gpt", PEOPLE, "zeta"), rng.integers(3, size=len(board.left))),
    }
    return dataclasses.replace(board, covariates=covariates, factors=factors)


def split(density: Density, point: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The point by the names and in the shapes of PyMC's unconstrained values."""
    values, start = {}, 0
    for name, length in density.layout.items():
        value = point[start : start + length]
        if name in (*SCALARS, "judge_scale"):
            value = value[0]
        elif name in ROWS:
            value = value.reshape(ROWS[name], -1)
        values[name + TRANSFORMED.get(name, "")] = value
        start += length
    return values


def assert_same(model: pm.Model, density: Density) -> None:
    free = [model[name] for name in density.layout]
    evaluate = model.compile_fn([model.logp(), model.dlogp(free)], mode="FAST_COMPILE")
    rng = np.random.default_rng(4)
    constants = []
    for spread in (0.0, 0.3, 1.0, 2.0):
        point = spread * rng.normal(size=density.ndim)
        logp, gradient = density.logp(point)
        expected_logp, expected_gradient = evaluate(split(density, point))
        assert_allclose(gradient, expected_gradient, rtol=1e-9, atol=1e-7)
        constants.append(expected_logp - logp)
    assert_allclose(constants, constants[0], rtol=1e-9)


@pytest.mark.parametrize(
    "spec",
    [
        ModelSpec(ties="davidson", style=("length", "bold"), tie_style=("bold",)),
        ModelSpec(ties="davidson", both_bad="tie"),
        ModelSpec(ties="rao-kupper", style=("length",), tie_style=("length", "bold")),
        ModelSpec(ties="bradley-terry", style=("bold",)),
        ModelSpec(ties="davidson", side=False),
        ModelSpec(ties="bradley-terry", side=False),
    ],
    ids=lambda spec: f"{spec.ties}, {len(spec.style)} styles, side {spec.side}, {spec.both_bad}",
)
def test_the_order(board: Board, spec: ModelSpec) -> None:
    spec = dataclasses.replace(
        spec, both_bad="out" if spec.both_bad == "own" else spec.both_bad, priors=PRIORS
    )
    density = densities.order(len(board.contestants), spec, models.data(board, spec))
    assert set(density.layout) == set(models.variables(spec))
    assert_same(models.build(board, spec), density)


def test_both_bad(board: Board) -> None:
    spec = ModelSpec(priors=PRIORS)
    density = densities.both_bad(len(board.contestants), spec, values.both_bad(board))
    assert_same(both_bad.build(board, spec), density)


def made(board: Board, spec: ModelSpec) -> tuple[ModelSpec, Density]:
    spec = dataclasses.replace(spec, both_bad="out", priors=PRIORS)
    levels = 0 if spec.factor is None else len(board.factors[spec.factor].levels)
    data = models.data(board, spec)
    return spec, structure_densities.density(len(board.contestants), levels, spec, data)


@pytest.mark.parametrize("spec", STRUCTURES, ids=lambda spec: f"{spec.structure}, {spec.ties}")
def test_the_structures(board: Board, spec: ModelSpec) -> None:
    spec, density = made(board, spec)
    assert_same(models.build(board, spec), density)


@pytest.mark.parametrize(
    "spec",
    [ModelSpec(style=("length", "bold")), *STRUCTURES],
    ids=lambda spec: f"{spec.structure}, {spec.ties}",
)
def test_a_point_reads_as_pymc_reads_it(board: Board, spec: ModelSpec) -> None:
    spec, density = made(board, spec)
    points = np.random.default_rng(5).normal(size=(2, 3, density.ndim))
    read = density.variables(points)
    model = models.build(board, spec)
    names = list(models.variables(spec))
    assert set(names) <= set(read)
    evaluate = model.compile_fn(
        model.replace_rvs_by_values([model[name] for name in names]),
        inputs=model.value_vars,
        mode="FAST_COMPILE",
    )
    for name, expected in zip(names, evaluate(split(density, points[1, 2])), strict=True):
        assert read[name].shape == (2, 3, *np.shape(expected)), name
        assert_allclose(read[name][1, 2], expected, rtol=1e-9, atol=1e-12)


def test_a_point_too_far_away_is_not_finite(board: Board) -> None:
    spec = ModelSpec(both_bad="out")
    density = densities.order(len(board.contestants), spec, models.data(board, spec))
    logp, gradient = density.logp(np.full(density.ndim, 5e3))
    assert not np.isfinite([logp, *gradient]).all()
