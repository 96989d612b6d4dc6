from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from ratings_boards import made_up_posterior
from structured_votes import centred, simulate_votes

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.poststratify import mix, read_mix, traffic, vote_shares
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec

LEVELS = ("English", "French", "Greek")
SPEC = ModelSpec(structure="categories", factor="language", both_bad="out")
EFFECT = centred([0.8, -0.8, 0.4, -0.4, 0.2, -0.2])
TRUTH = centred([0.6, 0.4, 0.1, -0.1, -0.4, -0.6]) + np.array([[1.0], [-0.5], [-0.5]]) * EFFECT
# Nearly all voters write English, and few of those who are served do.
VOTES = (6000, 800, 800)
SERVED = {"English": 10, "French": 30, "Greek": 60}


@pytest.fixture(scope="module")
def board() -> Board:
    levels = np.repeat(np.arange(3), VOTES)
    return simulate_votes(np.random.default_rng(5), TRUTH, levels, "language", LEVELS)


@pytest.fixture(scope="module")
def posterior(board: Board, settings: FitSettings) -> Posterior:
    return fit(board, dataclasses.replace(settings, engine="laplace"), spec=SPEC)


def test_a_mix_recovers_what_the_votes_do_not_represent(board: Board, posterior: Posterior) -> None:
    target = np.array([0.1, 0.3, 0.6]) @ TRUTH
    served = mix(posterior, SERVED)
    mean, sd = (f(served.strengths, axis=(0, 1)) for f in (np.mean, np.std))
    assert (np.abs(mean - target) < 4 * sd).all()
    pooled = fit(board, posterior.settings, spec=ModelSpec(both_bad="out"))
    off = np.abs(pooled.strengths.mean(axis=(0, 1)) - target)
    assert off.max() > 0.5
    assert off.max() > 4 * pooled.strengths.std(axis=(0, 1)).max()
    assert np.abs(mean - target).max() < off.max() / 3
    # The order of the first two is the other way round for those who are served.
    assert pooled.table()[0].contestant == "c00"
    assert served.table()[0].contestant == "c01"
    assert target.argmax() == 1


def test_a_mix_is_the_weighted_mean_of_each_draw(posterior: Posterior) -> None:
    made = mix(posterior, SERVED)
    levels = posterior.draws["level_strength"]
    expected = 0.1 * levels[:, :, 0] + 0.3 * levels[:, :, 1] + 0.6 * levels[:, :, 2]
    assert_allclose(made.strengths, expected, atol=1e-12)
    assert_allclose(mix(posterior, {"Greek": 3}).strengths, levels[:, :, 2], atol=1e-12)
    assert_allclose(
        mix(posterior, dict.fromkeys(LEVELS, 1)).strengths, posterior.strengths, atol=1e-12
    )


def test_a_mix_says_so_once(posterior: Posterior) -> None:
    again = mix(mix(posterior, SERVED), {"English": 1, "Greek": 3})
    notes = [note for note in again.diagnostics.notes if "mix" in note]
    assert notes == ["Strengths are for a mix by language: English 25.0%, Greek 75.0%."]


def test_traffic_is_the_mix_of_the_votes(posterior: Posterior) -> None:
    shares = dict(zip(LEVELS, np.array(VOTES) / sum(VOTES), strict=True))
    assert vote_shares(posterior) == pytest.approx(shares)
    assert_allclose(traffic(posterior).strengths, mix(posterior, shares).strengths)


@pytest.mark.parametrize(
    ("weights", "line"),
    [
        ({}, "no weights"),
        ({"Latin": 1.0}, "no language 'Latin'; there are English, French, Greek"),
        ({"Greek": 0.0}, "weight of 'Greek' is 0.0; give a positive number"),
        ({"Greek": -1.0}, "give a positive number"),
        ({"Greek": float("nan")}, "give a positive number"),
    ],
)
def test_weights_that_make_no_mix_are_refused(
    posterior: Posterior, weights: dict[str, float], line: str
) -> None:
    with pytest.raises(RatingsError, match=line):
        mix(posterior, weights)


def test_a_posterior_without_levels_has_no_mix() -> None:
    with pytest.raises(RatingsError, match="these ratings have none"):
        traffic(made_up_posterior(np.zeros(3)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mix.json", '{"coding": 0.3, "maths": 2}'),
        ("mix.csv", "level,weight,note\ncoding,0.3,\nmaths,2,often\n"),
    ],
)
def test_weights_from_a_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_mix(tmp_path / name) == {"coding": 0.3, "maths": 2.0}


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("mix.json", "{", "not JSON"),
        ("mix.json", '["coding"]', "object of numbers by level"),
        ("mix.json", '{"coding": "0.3"}', "object of numbers by level"),
        ("mix.json", '{"coding": 1, "coding": 2}', "entry 2: 'coding' has a weight already"),
        ("mix.csv", "coding,0.3\n", "must name the columns level and weight"),
        ("mix.csv", "level,weight\ncoding,much\n", "line 2: weight 'much' is not a number"),
        ("mix.csv", "level,weight\ncoding\n", "line 2: weight None is not a number"),
    ],
)
def test_files_that_hold_no_weights_are_refused(
    tmp_path: Path, name: str, text: str, line: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(RatingsError, match=line):
        read_mix(tmp_path / name)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RatingsError, match="cannot read the mix"):
        read_mix(tmp_path / "mix.csv")
