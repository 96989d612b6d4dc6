"""What must not change an estimate, and what must change it by a known factor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical import (
    EloSettings,
    EqualPairs,
    LikelihoodSettings,
    PairMix,
    average_win_rate,
    bootstrap,
    counting,
    elo,
    maximum_likelihood,
    newman,
    pagerank,
    rank_by_bounds,
    rank_spread,
)
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.settings import ELO_PER_NAT, Anchor

NAMES = "abcde"
WAYS = ("davidson", "rao-kupper", "half")
ways = pytest.mark.parametrize("ties", WAYS)


def random_votes(seed: int) -> list[tuple[str, str, str]]:
    """20 to 120 votes on five contestants, most of whom beat and lose to somebody."""
    rng = np.random.default_rng(seed)
    outcomes = rng.choice(["a", "tie", "b", "both_bad"], p=[0.4, 0.2, 0.3, 0.1], size=120)
    pairs = [rng.permutation(list(NAMES))[:2].tolist() for _ in range(rng.integers(20, 120))]
    return [(left, right, str(how)) for (left, right), how in zip(pairs, outcomes, strict=False)]


rows = st.integers(0, 2**32 - 1).map(random_votes)
few = settings(max_examples=10, deadline=None)


def fit(votes: list[tuple[str, str, str]], ties: str, **options):
    return maximum_likelihood(
        Board.from_comparisons(votes, NAMES), LikelihoodSettings(ties=ties, **options)
    )


@ways
@given(votes=rows, order=st.permutations(NAMES))
@few
def test_other_names_give_the_same_ratings(ties: str, votes, order) -> None:
    renamed = dict(zip(NAMES, order, strict=True))
    before = fit(votes, ties)
    after = fit([(renamed[left], renamed[right], how) for left, right, how in votes], ties)
    place = [NAMES.index(renamed[name]) for name in NAMES]
    assert before.converged == after.converged
    np.testing.assert_allclose(after.ratings[place], before.ratings, atol=1e-5)
    np.testing.assert_allclose(after.sandwich_se[place], before.sandwich_se, rtol=1e-4, atol=1e-6)
    assert {renamed[name]: why for name, why in before.why.items()} == after.why


@ways
@given(votes=rows)
@few
def test_sides_exchanged_turn_the_side_effect(ties: str, votes) -> None:
    exchanged = {"a": "b", "b": "a"}
    before = fit(votes, ties)
    after = fit([(right, left, exchanged.get(how, how)) for left, right, how in votes], ties)
    np.testing.assert_allclose(after.ratings, before.ratings, atol=1e-5)
    np.testing.assert_allclose(after.coefficients["side"], -before.coefficients["side"], atol=1e-7)
    assert after.loglik == pytest.approx(before.loglik, nan_ok=True)


@ways
@given(votes=rows)
@few
def test_votes_counted_twice_halve_the_variances(ties: str, votes) -> None:
    once, twice = fit(votes, ties), fit(votes * 2, ties)
    np.testing.assert_allclose(twice.ratings, once.ratings, atol=1e-5)
    np.testing.assert_allclose(twice.covariance, once.covariance / 2, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(twice.sandwich, once.sandwich / 2, rtol=1e-5, atol=1e-9)
    assert twice.loglik == pytest.approx(2 * once.loglik, nan_ok=True)
    assert twice.deviance == pytest.approx(2 * once.deviance, nan_ok=True, abs=1e-6)


@pytest.mark.parametrize("ties", ["davidson", "half"])
@given(votes=rows)
@few
def test_expected_scores_are_the_observed_ones(ties: str, votes) -> None:
    """The likelihood equations of Davidson's model and of ties as halves, and of the side."""
    found = fit(votes, ties)
    assume(found.rated.all())
    board = found.board
    eta = found.strengths[board.left] - found.strengths[board.right] + found.coefficients["side"]
    if ties == "half" or found.coefficients["tie"] == -np.inf:
        expected = 1 / (1 + np.exp(-eta))
    else:
        weights = np.exp([eta / 2, np.full_like(eta, found.coefficients["tie"]), -eta / 2])
        expected = (weights[0] + weights[1] / 2) / weights.sum(axis=0)
    met = board.decided.sum(axis=1)
    size = len(NAMES)
    scores = np.bincount(board.left, met * expected, size)
    scores += np.bincount(board.right, met * (1 - expected), size)
    np.testing.assert_allclose(scores, counting(board), atol=1e-5)


@given(votes=rows)
@few
def test_newmans_iteration_finds_newtons_optimum(votes) -> None:
    board = Board.from_comparisons(votes, NAMES)
    found = maximum_likelihood(board, LikelihoodSettings(ties="davidson", side=False))
    assume(found.rated.all())
    assume(np.ptp(found.strengths) < 4)
    by_newman = newman(board, tolerance=1e-12)
    assume(by_newman.converged)
    centred = by_newman.strengths - by_newman.strengths.mean()
    np.testing.assert_allclose(centred, found.strengths, atol=1e-6)
    assert by_newman.nu == pytest.approx(np.exp(found.coefficients["tie"]), abs=1e-6)


@given(votes=rows, shift=st.floats(-1e4, 1e4))
@few
def test_the_anchor_moves_every_rating_alike(votes, shift: float) -> None:
    at = fit(votes, "half", side=False)
    assume(at.rated.any())
    moved = fit(votes, "half", side=False, anchor=Anchor(1000 + shift))
    np.testing.assert_allclose(
        moved.ratings - at.ratings - shift, np.where(at.rated, 0, np.nan), atol=1e-6
    )
    np.testing.assert_array_equal(moved.se, at.se)
    name = NAMES[int(np.flatnonzero(at.rated)[0])]
    named = fit(votes, "half", side=False, anchor=Anchor(shift, name))
    assert named.ratings[NAMES.index(name)] == pytest.approx(shift)
    difference, error = at.against(name)
    np.testing.assert_allclose(
        (named.ratings - shift)[at.rated] / ELO_PER_NAT, difference[at.rated], atol=1e-9
    )
    assert error[NAMES.index(name)] == 0


@given(votes=rows, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=3, deadline=None)
def test_the_same_seed_draws_the_same_rounds(votes, seed: int) -> None:
    board = Board.from_comparisons(votes, NAMES)
    one = bootstrap(board, LikelihoodSettings(side=False), rounds=3, seed=seed)
    np.testing.assert_array_equal(
        one.draws, bootstrap(board, LikelihoodSettings(side=False), rounds=3, seed=seed).draws
    )


def test_both_bad_as_ties_and_left_out() -> None:
    votes = [("a", "b", "a"), ("b", "a", "a"), ("a", "b", "a"), ("a", "b", "both_bad")]
    tied = [("a", "b", "tie") if how == "both_bad" else (x, y, how) for x, y, how in votes]
    for ties in WAYS:
        as_ties = fit(votes, ties, side=False, both_bad="tie")
        np.testing.assert_allclose(as_ties.ratings, fit(tied, ties, side=False).ratings)
        out = fit(votes, ties, side=False)
        np.testing.assert_allclose(out.ratings, fit(votes[:3], ties, side=False).ratings)


def test_pairs_that_count_the_same() -> None:
    """A pair with ten times the votes, in the same shares, weighs as much as the others."""
    cycle = [("a", "b", "a"), ("b", "c", "a"), ("c", "a", "a"), ("b", "a", "a")]
    often = cycle + 9 * [cycle[1]] + 5 * [("b", "c", "b")]
    shares = {("a", "b"): 1.0, ("c", "b"): 1.0, ("a", "c"): 1.0}
    equal = fit(often, "half", side=False, weighting=EqualPairs())
    mixed = fit(often, "half", side=False, weighting=PairMix(shares))
    np.testing.assert_allclose(equal.ratings, mixed.ratings, atol=1e-6)
    assert not np.allclose(equal.ratings[:3], fit(often, "half", side=False).ratings[:3], atol=1)
    # Where no pair has as many votes as `least`, each vote counts the same again.
    plain = fit(often, "half", side=False)
    least = fit(often, "half", side=False, weighting=EqualPairs(least=1000))
    np.testing.assert_allclose(least.ratings, plain.ratings, atol=1e-6)
    np.testing.assert_allclose(least.sandwich, plain.sandwich, atol=1e-9)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({("a", "z"): 1.0}, "no such pair"),
        ({("a", "c"): -1.0}, "is -1.0"),
        ({("d", "e"): 1.0}, "no votes"),
        ({("a", "b"): 1.0, ("b", "a"): 1.0}, "two shares"),
        ({("a", "b"): 0.0}, "no pair has a share"),
    ],
)
def test_a_mix_that_cannot_be_had(shares, message: str) -> None:
    with pytest.raises(RatingsError, match=message):
        fit([("a", "b", "a"), ("b", "c", "a"), ("c", "a", "a")], "half", weighting=PairMix(shares))


def test_ranks() -> None:
    low, high = [90, 70, 65, 10, np.nan], [100, 95, 80, 20, np.nan]
    assert list(rank_by_bounds(low, high)) == [1, 1, 2, 4, 1]
    best, worst = rank_spread(low, high)
    assert list(best) == [1, 1, 2, 4, 1]
    assert list(worst) == [2, 3, 3, 4, 1]


@given(
    st.lists(st.tuples(st.floats(-100, 100), st.floats(0, 50)), min_size=1, max_size=12),
)
def test_every_rating_lies_within_its_rank_spread(bounds) -> None:
    middle, half = np.array(bounds).T
    best, worst = rank_spread(middle - half, middle + half)
    rank = 1 + (middle[None, :] > middle[:, None]).sum(axis=1)
    assert np.all((best >= 1) & (best <= rank) & (rank <= worst) & (worst <= len(middle)))


def test_elo_by_hand_and_over_orders() -> None:
    once = elo([("a", "b", "a")], settings=EloSettings(k=32))
    assert list(once.ratings) == [1016, 984]
    assert np.isnan(once.spread).all()
    votes = [("a", "b", "a")] * 40 + [("b", "a", "a")] * 40 + [("a", "c", "both_bad")]
    last = elo(votes, settings=EloSettings(k=32))
    assert last.ratings[0] < 1000 < last.ratings[1]
    assert last.ratings[2] == 1000
    assert last.votes == 80
    mixed = elo(votes, settings=EloSettings(k=32, permutations=200, seed=4))
    assert abs(mixed.ratings[0] - 1000) < 15
    assert mixed.spread[0] > 5
    bad = elo(votes, settings=EloSettings(both_bad="tie"))
    assert bad.votes == 81
    np.testing.assert_allclose(bad.orders.sum(), 3000)
    for settings_, message in (({"k": 0}, "k of Elo"), ({"permutations": -1}, "permutations")):
        with pytest.raises(RatingsError, match=message):
            EloSettings(**settings_)
    with pytest.raises(RatingsError, match="row 2: outcome 'left'"):
        elo([("a", "b", "a"), ("a", "b", "left")])
    with pytest.raises(RatingsError, match="row 1"):
        elo([("a", "a", "a")])


def test_scores_without_a_model() -> None:
    votes = [("a", "b", "a"), ("a", "b", "tie"), ("c", "a", "a"), ("a", "c", "both_bad")]
    board = Board.from_comparisons(votes)
    np.testing.assert_allclose(average_win_rate(board), [(0.75 + 0) / 2, 0.25, 1])
    np.testing.assert_allclose(average_win_rate(board, "tie"), [(0.75 + 0.25) / 2, 0.25, 0.75])
    np.testing.assert_allclose(counting(board), [1.5, 0.5, 1])
    assert pagerank(board).sum() == pytest.approx(1)
    with pytest.raises(RatingsError, match="damping"):
        pagerank(board, damping=1.0)
