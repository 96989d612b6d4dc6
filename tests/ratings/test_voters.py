from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from structured_votes import centred, simulate_votes

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.models.voters import KINDS
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec

SPEC = ModelSpec(structure="voters", factor="voter", both_bad="out")
VOTERS, VOTES_EACH = 60, 40
ATTENTIVE, CARELESS, CONTRARY = range(len(KINDS))
TRUTH = centred([1.4, 0.7, 0.2, -0.2, -0.7, -1.4])


@pytest.fixture(scope="module")
def kinds() -> np.ndarray:
    """20 % at random and 5 % for the other side."""
    found = np.full(VOTERS, ATTENTIVE)
    found[:12], found[12:15] = CARELESS, CONTRARY
    return found


@pytest.fixture(scope="module")
def board(kinds: np.ndarray) -> Board:
    levels = np.repeat(np.arange(VOTERS), VOTES_EACH)
    names = tuple(f"v{voter:02d}" for voter in range(VOTERS))
    return simulate_votes(np.random.default_rng(1), TRUTH, levels, "voter", names, kinds=kinds)


@pytest.fixture(scope="module")
def posterior(board: Board, settings: FitSettings) -> Posterior:
    return fit(board, settings, spec=SPEC)


def test_ratings_recover_better_than_by_the_plain_model(
    board: Board, posterior: Posterior, settings: FitSettings
) -> None:
    assert posterior.diagnostics.ok, posterior.summary
    quick = dataclasses.replace(settings, engine="laplace")
    plain = fit(board, quick, spec=ModelSpec(both_bad="out"))

    def error(of: Posterior) -> float:
        return float(np.sqrt(((of.strengths.mean(axis=(0, 1)) - TRUTH) ** 2).mean()))

    # Careless votes pull ratings together, and contrary ones twice as much.
    assert error(plain) > 0.2
    assert error(posterior) < error(plain) / 2
    sd = posterior.strengths.std(axis=(0, 1))
    assert (np.abs(posterior.strengths.mean(axis=(0, 1)) - TRUTH) < 4 * sd).all()


def test_voters_are_found_and_the_honest_not_accused(
    posterior: Posterior, kinds: np.ndarray
) -> None:
    chance = posterior.draws["voter_kind"].mean(axis=(0, 1))
    np.testing.assert_allclose(chance.sum(axis=-1), 1)
    told = chance.argmax(axis=-1)
    assert (told[kinds == CONTRARY] == CONTRARY).all()
    assert (told[kinds == CARELESS] == CARELESS).mean() >= 0.9
    accused = told[kinds == ATTENTIVE] != ATTENTIVE
    assert accused.mean() <= 0.05


def test_the_shares_of_kinds(posterior: Posterior) -> None:
    share = posterior.draws["kind_share"]
    low, high = np.quantile(share, [0.005, 0.995], axis=(0, 1))
    true = np.array([0.75, 0.2, 0.05])
    assert ((low < true) & (true < high)).all()
