from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import kstest, rankdata
from structured_votes import centred, simulate_votes

from benchmarks.odd_voters import measure
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.odd_voters import OddVoters, _p_value, odd_voters
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.settings import FitSettings

TRUTH = centred([1.0, 0.5, 0.2, -0.2, -0.5, -1.0])
MANY_TIES = 1.2
QUICK = FitSettings(engine="laplace")


def votes(kinds: np.ndarray, each: int, seed: int, tie: float = MANY_TIES) -> Board:
    names = tuple(f"v{voter:03d}" for voter in range(len(kinds)))
    levels = np.repeat(np.arange(len(kinds)), each)
    rng = np.random.default_rng(seed)
    return simulate_votes(rng, TRUTH, levels, "voter", names, tie=tie, kinds=kinds)


@pytest.fixture(scope="module")
def honest() -> Posterior:
    """Half of all votes are ties."""
    board = votes(np.zeros(200, dtype=np.int64), each=30, seed=2)
    assert 0.5 < board.ties.sum() / board.num_votes < 0.7
    return fit(board, QUICK)


@pytest.fixture(scope="module")
def of_the_honest(honest: Posterior) -> OddVoters:
    return odd_voters(honest, simulations=2000)


def test_honest_voters_with_many_ties_are_not_named(of_the_honest: OddVoters) -> None:
    assert len(of_the_honest.tests) == 200
    assert of_the_honest.named == ()
    p_values = [test.p_value for test in of_the_honest.tests]
    # Valid: no more small ones than chance gives. Not less uniform than a lattice makes them.
    assert kstest(p_values, "uniform", alternative="greater").pvalue > 0.01
    assert np.mean(np.array(p_values) < 0.5) > 0.35


def test_planted_voters_are_named() -> None:
    kinds = np.zeros(40, dtype=np.int64)
    kinds[:4], kinds[4:6] = 1, 2
    found = odd_voters(fit(votes(kinds, each=150, seed=3, tie=0.3), QUICK), simulations=2000)
    named = {test.voter for test in found.named}
    assert {"v004", "v005"} <= named
    assert len(named & {"v000", "v001", "v002", "v003"}) >= 3
    assert len(named - {f"v{voter:03d}" for voter in range(6)}) <= 1
    first = found.tests[0]
    assert first.agreement < 0 < first.expected


def test_the_same_seed_gives_the_same_answer(honest: Posterior, of_the_honest: OddVoters) -> None:
    assert odd_voters(honest, simulations=2000) == of_the_honest


def test_agreement_is_by_signed_ranks(honest: Posterior, of_the_honest: OddVoters) -> None:
    """By hand, with the ratings of all voters in place of those of the others: hardly different."""
    test = of_the_honest.tests[0]
    mine = honest.board.where("voter", test.voter)
    strength = honest.strengths.mean(axis=(0, 1))
    rows = np.repeat(np.arange(len(mine.left)), mine.decided.sum(axis=1))
    difference = (strength[mine.left] - strength[mine.right])[rows]
    vote = np.concatenate([np.repeat([1, 0, -1], counts) for counts in mine.decided])
    ranks = rankdata(np.abs(difference))
    assert test.votes == len(vote) == 30
    assert test.agreement == pytest.approx(
        (ranks * np.sign(difference) * vote).sum() / ranks.sum(), abs=0.05
    )


def test_a_voter_with_few_votes_is_not_tested(honest: Posterior) -> None:
    levels = np.array([0] * 4 + [1] * 40 + [2] * 40)
    board = simulate_votes(np.random.default_rng(4), TRUTH, levels, "voter", ("few", "x", "y"))
    found = odd_voters(fit(board, QUICK), simulations=1000)
    assert {test.voter for test in found.tests} == {"x", "y"}
    assert found.untested == 1


def test_p_values_are_exact_at_any_number_of_simulations() -> None:
    rng = np.random.default_rng(5)
    observed = rng.normal(size=2000)
    p_values = [_p_value(lambda n: rng.normal(size=n), x, 400)[0] for x in observed]
    assert kstest(p_values, "uniform").pvalue > 0.001


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"rate": 1.0}, {"simulations": 10}])
def test_settings_that_make_no_test_are_refused(honest: Posterior, wrong: dict) -> None:
    with pytest.raises(RatingsError, match="a rate between 0 and 1"):
        odd_voters(honest, **wrong)


def test_votes_without_voters_are_refused(honest: Posterior) -> None:
    without = dataclasses.replace(honest, board=honest.board.pooled)
    with pytest.raises(RatingsError, match="carry no 'voter'"):
        odd_voters(without)


@pytest.mark.slow
def test_the_published_test_flags_honest_voters_and_this_one_does_not() -> None:
    """The benchmark, reduced."""
    rows = {row["test"]: row for row in measure(boards=3, tie=1.5, odd=False)}
    assert rows["rank, named"]["honest"] < 0.005
    assert rows["rank, p < 0.05"]["honest"] < 0.08
    assert rows["betting"]["honest"] > 0.2
