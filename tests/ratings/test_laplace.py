"""The live engine against the PyMC models: the same density, and draws from it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pytensor.compile.mode import Mode
from ratings_boards import CONTESTANTS, Truth, names, simulate

from rostra.arena.ratings import models
from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.engines import nuts
from rostra.arena.ratings.engines.laplace import NotApproximated, approximate
from rostra.arena.ratings.engines.latent_models import AT_LEVEL, latent_models
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec

NAMES = names(CONTESTANTS)
TRUTH = Truth(np.array([0.9, 0.5, 0.1, -0.1, -0.4, -1.0]), side=0.5, tie=0.3)
SETTINGS = FitSettings(chains=4, draws=500, seed=3)


def styled(votes: int) -> Board:
    """Votes with two covariates of three values each, and a factor of three levels."""
    rng = np.random.default_rng(8)
    plain = simulate(rng, TRUTH, votes, both_bad=0.1)
    covariates = {
        name: rng.choice([-1.0, 0.0, 1.5], size=len(plain.left)) for name in ("length", "bold")
    }
    levels = ("2026-11-02", "2026-11-09", "2026-11-23")
    return Board.of(
        plain.contestants,
        np.repeat(plain.left, 3),
        np.repeat(plain.right, 3),
        np.repeat(plain.table, 3, axis=0),
        {"category": Factor(levels, np.tile([0, 1, 2], len(plain.left)))},
        {name: np.repeat(x, 3) for name, x in covariates.items()},
    )


SPECS = [
    ModelSpec(),
    ModelSpec(ties="rao-kupper", both_bad="tie", style=("length",), tie_style=("bold",)),
    ModelSpec(ties="bradley-terry", both_bad="out", style=("length", "bold")),
    ModelSpec(side=False, both_bad="tie", style=("bold",), tie_style=("length", "bold")),
    ModelSpec(ties="rao-kupper", side=False),
    ModelSpec(structure="categories", factor="category", both_bad="out", style=("length",)),
    ModelSpec(structure="drift", factor="category", both_bad="out"),
]


@pytest.mark.parametrize("spec", SPECS, ids=range(len(SPECS)))
def test_the_density_is_that_of_the_pymc_model(spec: ModelSpec) -> None:
    board = styled(200)
    model = models.build(board, spec)
    log_density = model.compile_logp(mode=Mode("py", None))
    found = latent_models(board, spec)
    rng = np.random.default_rng(4)
    differences = []
    for _ in range(5):
        point, ours = {}, 0.0
        for latent in found:
            coordinates = 0.7 * rng.standard_normal(latent.size)
            log_scales = rng.normal(-0.5, 0.5, size=len(latent.scales))
            ours += latent.log_joint(coordinates, log_scales)
            point |= {
                f"{name}_log__": np.array(at)
                for name, at in zip(latent.scales, log_scales, strict=True)
            }
            for block in latent.blocks:
                part = coordinates[latent.slices[block.name]]
                point |= {block.name: part, f"{block.name}_zerosum__": part}
                if block.name == AT_LEVEL:
                    # There in units of their scale, so with another volume.
                    standard = part / np.exp(log_scales[1])
                    point |= dict.fromkeys(("deviation_zerosum__", "step_zerosum__"), standard)
                    ours += block.size * log_scales[1]
        start = model.initial_point()
        theirs = log_density({name: point[name].reshape(start[name].shape) for name in start})
        differences.append(theirs - ours)
    assert_allclose(differences, differences[0], atol=1e-8)


def test_the_same_seed_and_votes_give_the_same_draws() -> None:
    board = simulate(np.random.default_rng(5), TRUTH, votes=500, both_bad=0.1)
    one, two = (approximate(board, ModelSpec(), SETTINGS) for _ in range(2))
    for name, values in one.values.items():
        assert_array_equal(values, two.values[name])
    other = approximate(board, ModelSpec(), FitSettings(draws=500, seed=4))
    assert not np.array_equal(one.values["side"], other.values["side"])


def test_draws_have_the_names_and_shapes_of_a_posterior() -> None:
    spec = ModelSpec(style=("length", "bold"), tie_style=("bold",))
    draws = approximate(styled(2000), spec, SETTINGS)
    shapes = {name: values.shape[2:] for name, values in draws.values.items()}
    assert shapes == {
        "strength": (6,),
        "scale": (),
        "side": (),
        "tie": (),
        "style": (2,),
        "tie_style": (1,),
        "bad": (6,),
        "bad_mean": (),
        "bad_scale": (),
    }
    assert {values.shape[:2] for values in draws.values.values()} == {(4, 500)}
    assert_allclose(draws.values["strength"].sum(axis=-1), 0, atol=1e-12)
    assert set(models.variables(spec)) == set(draws.values)
    assert draws.pareto_k is not None
    assert draws.pareto_k < 0.7


@pytest.mark.parametrize("structure", ["categories", "drift"])
def test_strengths_by_level_are_drawn(structure: str) -> None:
    spec = ModelSpec(structure=structure, factor="category")
    draws = approximate(styled(2000), spec, SETTINGS)
    assert set(models.variables(spec)) == set(draws.values)
    by_level, overall = draws.values["level_strength"], draws.values["strength"]
    assert by_level.shape == (4, 500, 3, 6)
    assert_allclose(by_level.sum(axis=-1), 0, atol=1e-9)
    common = by_level.mean(axis=2) if structure == "categories" else by_level[:, :, -1]
    assert_allclose(common, overall, atol=1e-9)


def test_voters_are_left_to_nuts() -> None:
    spec = ModelSpec(structure="voters", factor="category")
    with pytest.raises(NotApproximated, match="voters"):
        approximate(styled(200), spec, SETTINGS)


def test_many_votes_recover_the_truth() -> None:
    board = simulate(np.random.default_rng(5), TRUTH, votes=20_000, both_bad=0.1)
    draws = approximate(board, ModelSpec(), SETTINGS).values
    for found, truth in (
        (draws["side"], TRUTH.side),
        (draws["tie"], TRUTH.tie),
        (draws["strength"][..., 0], TRUTH.strengths[0]),
        (draws["strength"][..., 5], TRUTH.strengths[5]),
        # Two average answers are both bad in a tenth of the votes.
        (draws["bad_mean"], np.log(0.1 / 0.9)),
    ):
        assert found.std() < 0.06
        assert abs(found.mean() - truth) < 4 * found.std()


def round_robin(outcome: str, times: int) -> list[tuple[str, str, str]]:
    return [(left, right, outcome) for left in NAMES for right in NAMES if left != right] * times


def undefeated(times: int) -> list[tuple[str, str, str]]:
    rows = round_robin("a", times) + round_robin("b", times)
    return [row for row in rows if "c03" not in row[:2] or row[0 if row[2] == "a" else 1] == "c03"]


DEGENERATE = {
    "one vote": [("c00", "c01", "a")],
    "all ties": round_robin("tie", 20),
    "all for the left": round_robin("a", 20),
    "undefeated": undefeated(1),
    "undefeated for long": undefeated(100),
    "two groups": [row for row in round_robin("a", 10) if (row[0] < "c03") == (row[1] < "c03")],
    "both bad but one": [*round_robin("both_bad", 5), ("c00", "c01", "tie")],
}


@pytest.mark.parametrize("rows", DEGENERATE.values(), ids=DEGENERATE.keys())
@pytest.mark.parametrize("ties", ["davidson", "rao-kupper", "bradley-terry"])
def test_votes_that_tell_little_give_wide_and_finite_draws(
    rows: list[tuple[str, str, str]], ties: str
) -> None:
    spec = ModelSpec(ties=ties)
    draws = approximate(Board.from_comparisons(rows, NAMES), spec, SETTINGS)
    assert all(np.isfinite(values).all() for values in draws.values.values())
    assert draws.pareto_k is not None
    assert draws.pareto_k <= 0.7
    sd = draws.values["strength"].std(axis=(0, 1))
    assert (sd > 0.05).all()


def test_a_contestant_without_votes_has_its_prior() -> None:
    strengths = np.array([1.2, 0.6, 0.0, -0.6, -1.2])
    votes = simulate(np.random.default_rng(2), Truth(strengths, 0.0, 0.0), votes=20_000)
    alone = Board.of(NAMES, votes.left, votes.right, votes.table)
    draws = approximate(alone, ModelSpec(), SETTINGS).values
    sd = draws["strength"].std(axis=(0, 1))
    assert (sd[5] > 5 * sd[:5] / 2).all()
    # Against the field, whose own spread is known well by now.
    relative = draws["strength"][..., 5] - draws["strength"][..., :5].mean(axis=-1)
    assert relative.mean() == pytest.approx(0, abs=0.15)
    assert relative.std() == pytest.approx(draws["scale"].mean() * np.sqrt(1.2), rel=0.25)


def test_a_perfect_order_is_left_to_nuts() -> None:
    size = 12
    rows = [
        (f"c{i:02d}", f"c{j:02d}", "a" if i < j else "b")
        for i in range(size)
        for j in range(size)
        if i != j
    ] * 80
    with pytest.raises(NotApproximated, match="k-hat"):
        approximate(Board.from_comparisons(rows), ModelSpec(ties="rao-kupper"), SETTINGS)


def disagreement(board: Board, spec: ModelSpec, sampled: FitSettings) -> float:
    """The largest distance of a mean from NUTS's, in standard deviations, of any parameter."""
    theirs = nuts.sample(board, spec, sampled, None).values
    ours = approximate(board, spec, FitSettings(draws=2500)).values
    return max(
        float(np.max(np.abs(ours[name].mean((0, 1)) - values.mean((0, 1))) / values.std((0, 1))))
        for name, values in theirs.items()
    )


@pytest.mark.parametrize("ties", ["davidson", "rao-kupper", "bradley-terry"])
@pytest.mark.parametrize("votes", [60, 3000])
def test_means_are_those_of_nuts(ties: str, votes: int) -> None:
    board = simulate(np.random.default_rng(votes), TRUTH, votes, both_bad=0.15)
    sampled = FitSettings(chains=4, draws=1500, tune=500)
    assert disagreement(board, ModelSpec(ties=ties), sampled) < 0.1


@pytest.mark.parametrize("structure", ["categories", "drift"])
def test_means_by_level_are_those_of_nuts(structure: str) -> None:
    spec = ModelSpec(structure=structure, factor="category", both_bad="out")
    sampled = FitSettings(chains=4, draws=4000, tune=700, target_accept=0.9)
    assert disagreement(styled(600), spec, sampled) < 0.1


@pytest.mark.slow
def test_means_on_real_votes_are_those_of_nuts(shared_data: Path) -> None:
    with (shared_data / "llmfao" / "votes.csv").open(encoding="utf-8") as file:
        sides = {"left": "a", "right": "b", "tie": "tie"}
        rows = [(row["left"], row["right"], sides[row["winner"]]) for row in csv.DictReader(file)]
    board = Board.from_comparisons(rows)
    spec = ModelSpec(both_bad="out")
    assert disagreement(board, spec, FitSettings(chains=4, draws=1500, tune=700)) < 0.1
