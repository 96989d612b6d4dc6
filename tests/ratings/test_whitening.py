"""Coordinates that are nearly standard normal change how chains move and not where they are."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from ratings_boards import CONTESTANTS, Truth, names, simulate

from rostra.arena.ratings import models
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.engines import densities, latent_models, nuts
from rostra.arena.ratings.engines.newton import NotApproximated
from rostra.arena.ratings.engines.schedule import schedule
from rostra.arena.ratings.engines.whitening import Whitened, whiten
from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.models import values
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec

TRUTH = Truth(np.array([0.9, 0.5, 0.1, -0.1, -0.4, -1.0]), side=0.5, tie=0.3)


def board(votes: int, both_bad: float = 0.2) -> Board:
    rng = np.random.default_rng(3)
    simulated = simulate(rng, TRUTH, votes, both_bad)
    covariates = {name: rng.normal(size=len(simulated.left)) for name in ("length", "bold")}
    return dataclasses.replace(simulated, covariates=covariates)


def whitened_order(spec: ModelSpec, votes: int) -> Whitened:
    data = models.data(board(votes), spec)
    return whiten(
        densities.order(CONTESTANTS, spec, data), latent_models.order(CONTESTANTS, spec, data)
    )


def whitened_both_bad(votes: int) -> Whitened:
    spec, data = ModelSpec(), values.both_bad(board(votes))
    return whiten(
        densities.both_bad(CONTESTANTS, spec, data), latent_models.both_bad(CONTESTANTS, spec, data)
    )


def derivative(function, at: np.ndarray) -> np.ndarray:
    """[..., ndim], by central differences."""
    step = 1e-5 * np.eye(len(at))
    return np.stack([(function(at + e) - function(at - e)) / 2e-5 for e in step], axis=-1)


ORDERS = [
    ModelSpec(both_bad="out", style=("length", "bold"), tie_style=("bold",)),
    ModelSpec(both_bad="out", ties="rao-kupper", side=False),
    ModelSpec(both_bad="out", ties="bradley-terry", side=False),
]
CASES = [
    *(pytest.param(lambda n, spec=spec: whitened_order(spec, n), id=spec.ties) for spec in ORDERS),
    pytest.param(whitened_both_bad, id="both bad"),
]


@pytest.mark.parametrize("votes", [5, 3000])
@pytest.mark.parametrize("whitened", CASES)
def test_the_density_is_the_exact_one(whitened, votes: int) -> None:
    """Change of variables: the density at the point times the map's own stretching there."""
    white = whitened(votes)
    rng = np.random.default_rng(1)

    def point(z: np.ndarray) -> np.ndarray:
        """Unconstrained, as the density takes it."""
        found = white.variables(z)
        (scale, vector, *others) = white.density.layout
        basis = latent_models.zero_sum_basis(CONTESTANTS)
        parts = [np.log(found[scale]), found[vector] @ basis, *(found[name] for name in others)]
        return np.concatenate([np.ravel(part) for part in parts])

    constants = []
    for spread in (0.0, 0.5, 1.0, 2.0):
        z = spread * rng.normal(size=white.ndim)
        value, gradient = white.logp(z)
        stretched = np.linalg.slogdet(derivative(point, z)).logabsdet
        constants.append(value - white.density.logp(point(z))[0] - stretched)
        assert_allclose(gradient, derivative(lambda z: white.logp(z)[0], z), rtol=1e-5, atol=1e-4)
    assert_allclose(constants, constants[0], atol=1e-6)


@pytest.mark.parametrize("whitened", CASES)
def test_with_many_votes_it_is_nearly_standard_normal(whitened) -> None:
    white = whitened(100_000)
    for z in np.random.default_rng(2).normal(size=(5, white.ndim)):
        # But for the scale, of which as few contestants tell little however many the votes.
        assert_allclose(white.logp(z)[1][1:], -z[1:], atol=0.1)


def test_one_vote_is_sampled_well() -> None:
    """Where nearly all is the prior, whose strengths are as wide as a scale that is not known."""
    posterior = fit(Board.from_comparisons([("c00", "c01", "a")], names(CONTESTANTS)))
    found = posterior.diagnostics
    assert found.divergences == 0
    assert found.max_rhat < 1.01
    assert found.min_ess_bulk > 1000


def test_few_votes_for_both_bad_are_sampled_well() -> None:
    simulated = simulate(np.random.default_rng(4), TRUTH, votes=3000)
    table = np.array(simulated.table)
    table[:2, 3] = 1
    found = fit(dataclasses.replace(simulated, table=table)).diagnostics
    assert found.divergences == 0
    assert not [note for note in found.notes if "did not sample well" in note]


def test_without_a_mode_chains_move_in_the_models_own_coordinates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_mode(*_: object) -> Whitened:
        raise NotApproximated("no mode found")

    settings = FitSettings(chains=2, draws=300, seed=2)
    spec = ModelSpec(both_bad="out")
    votes = simulate(np.random.default_rng(5), TRUTH, votes=500)
    white = nuts.sample(votes, spec, settings, None)
    monkeypatch.setattr(nuts, "whiten", no_mode)
    progress: list[int] = []
    plain = nuts.sample(votes, spec, settings, lambda _, total: progress.append(total))
    assert progress[-1] == schedule(settings, whitened=False).total == 2 * (300 + 1000)
    for name, ours in white.values.items():
        theirs = plain.values[name]
        error = sum(x.std(axis=(0, 1)) / 150**0.5 for x in (ours, theirs))
        assert (np.abs(ours.mean(axis=(0, 1)) - theirs.mean(axis=(0, 1))) < 4 * error).all()
        assert_allclose(ours.std(axis=(0, 1)), theirs.std(axis=(0, 1)), rtol=0.3)


def test_what_is_asked_for_is_kept() -> None:
    asked = FitSettings(tune=700, target_accept=0.9)
    for whitened in (True, False):
        found = schedule(asked, whitened=whitened)
        assert (found.tune, found.target_accept) == (700, 0.9)
    assert schedule(FitSettings(), whitened=True).tune == 300


@pytest.mark.parametrize("engine", ["nuts", "laplace"])
def test_the_overall_model_needs_no_pymc(engine: str) -> None:
    code = (
        "import sys\n"
        "from rostra.arena.ratings.board import Board\n"
        "from rostra.arena.ratings.fit import fit\n"
        "from rostra.arena.ratings.settings import FitSettings\n"
        "board = Board.from_comparisons([('a', 'b', 'a'), ('b', 'a', 'both_bad')])\n"
        f"found = fit(board, FitSettings(draws=100, engine={engine!r}))\n"
        "assert not {'pymc', 'pytensor'} & {*sys.modules, *found.versions}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=200)
