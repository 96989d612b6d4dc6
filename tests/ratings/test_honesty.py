"""Boards that invite a tidy wrong number: each result says what can and cannot be concluded."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ratings_boards import CONTESTANTS, names

from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.engines import laplace
from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.settings import Engine, FitSettings
from rostra.arena.ratings.summary.pairs import difference
from rostra.arena.ratings.summary.separation import separations
from rostra.arena.ratings.table import Row

NAMES = names(CONTESTANTS)
Rows = Sequence[tuple[str, str, str]]
Rate = Callable[[Rows | Board], Posterior]


def round_robin(times: int, outcomes: Sequence[str] = ("a", "b", "tie", "both_bad")) -> list:
    """Each outcome as often on every ordered pair."""
    return [(*pair, x) for pair in itertools.permutations(NAMES, 2) for x in outcomes] * times


SETTINGS = FitSettings(chains=4, draws=600, tune=400, seed=7)


@pytest.fixture(params=["laplace", "nuts"])
def rate(request: pytest.FixtureRequest) -> Rate:
    engine: Engine = request.param

    def rated(votes: Rows | Board) -> Posterior:
        board = votes if isinstance(votes, Board) else Board.from_comparisons(votes, NAMES)
        posterior = fit(board, replace(SETTINGS, engine=engine))
        approximated = posterior.diagnostics.pareto_k is not None
        # Where the approximation does not hold, that is said, and NUTS has the word.
        assert approximated == (engine == "laplace") or "by NUTS" in posterior.summary
        return posterior

    return rated


def row(posterior: Posterior, contestant: str) -> Row:
    return next(row for row in posterior.rows if row.contestant == contestant)


def width(row: Row) -> float:
    return row.eti_94[1] - row.eti_94[0]


def test_groups_that_never_met_are_not_put_on_one_scale(rate: Rate, tmp_path: Path) -> None:
    upper = set(NAMES[:4])
    votes = [x for x in round_robin(4) if (x[0] in upper) == (x[1] in upper)]
    # The lower group beats its own by more, which places it nowhere among the others.
    votes += [("c04", "c05", "a")] * 40
    posterior = rate(votes)
    assert not posterior.diagnostics.ok
    assert "2 groups that no vote links" in posterior.summary
    assert "Pair c04, c05 with the rest" in posterior.summary

    for one, other in itertools.product(NAMES[:4], NAMES[4:]):
        i, j = posterior.index(one), posterior.index(other)
        assert np.isnan(posterior.prob_beats()[i, j])
        assert np.isnan(posterior.pairs.win_94[i, j]).all()
        assert not posterior.tiers.separated[i, j]
        assert not difference(posterior, one, other).linked
    # Within a group all is as it should be.
    assert posterior.prob_beats()[4, 5] > 0.99
    assert posterior.tiers.separated[4, 5]
    # No interval of the smaller group stands without its warning.
    for name in NAMES[4:]:
        assert row(posterior, name).group == 2
        assert "within its own group only" in row(posterior, name).caution
    for pair in separations(posterior):
        if (pair.higher in upper) != (pair.lower in upper):
            assert not pair.linked

    told = json.loads((posterior.save(tmp_path) / "summary.json").read_text())
    assert told["ok"] is False
    assert told["pairs"]["superiority"][0][4:] == [None, None]
    assert told["pairs"]["win"][5][:4] == [None] * 4


def test_a_contestant_without_votes_has_the_prior_and_says_so(rate: Rate) -> None:
    votes = [x for x in round_robin(10) if "c05" not in x[:2]]
    posterior = rate([*votes, ("c00", "c05", "both_bad")])
    # The others are rated as well as without it: nothing that the votes lack is a finding.
    assert not [found for found in posterior.diagnostics.findings if "more" not in found]
    assert "No vote bears on c05" in posterior.summary
    unseen = row(posterior, "c05")
    assert (unseen.votes, unseen.both_bad_rate) == (1, 1.0)
    assert unseen.win_rate is None
    assert "the prior's" in unseen.caution
    assert (unseen.rank_best, unseen.rank_worst) == (1, CONTESTANTS)
    assert width(unseen) > 2 * max(width(row(posterior, name)) for name in NAMES[:5])
    assert np.isnan(posterior.prob_beats()[5, :5]).all()
    assert not posterior.tiers.separated[5].any()


def test_an_undefeated_contestant_has_a_lower_end_and_no_certain_upper_one(rate: Rate) -> None:
    won = [("c03", name, "a") for name in NAMES if name != "c03"] * 6
    others = [x for x in round_robin(8) if "c03" not in x[:2]]
    posterior = rate(won + others)
    assert posterior.diagnostics.ok
    assert "c03 won every vote" in posterior.summary
    first = posterior.rows[0]
    assert first.contestant == "c03"
    assert "how far it is ahead rests on the prior" in first.caution
    assert 1200 < first.rating < 2500
    # Thirty votes say more than zero and less than a maximum likelihood's "+ infinity, +/- 0".
    assert width(first) > 2 * width(posterior.rows[1])
    assert first.eti_94[1] - first.rating > first.rating - first.eti_94[0]
    assert posterior.diagnostics.notes


def test_one_that_never_won_is_its_mirror(rate: Rate) -> None:
    lost = [("c02", name, "b") for name in NAMES if name != "c02"] * 6
    posterior = rate(lost + [x for x in round_robin(8) if "c02" not in x[:2]])
    assert posterior.diagnostics.ok
    assert "c02 lost every vote" in posterior.summary
    last = posterior.rows[-1]
    assert last.contestant == "c02"
    assert "how far it is behind rests on the prior" in last.caution
    assert -500 < last.rating < 800


def test_ties_alone_order_nobody(rate: Rate) -> None:
    posterior = rate(round_robin(5, ["tie"]))
    assert "ties: they tell how often two tie, and nothing of who is better" in posterior.summary
    assert {row.tier for row in posterior.rows} == {1}
    assert all((row.rank_best, row.rank_worst) == (1, CONTESTANTS) for row in posterior.rows)
    assert all(row.eti_94[0] < 1000 < row.eti_94[1] for row in posterior.rows)
    beats = posterior.prob_beats()
    assert beats.min() > 0.05
    assert beats.max() < 0.95
    assert all(not pair.separated for pair in separations(posterior))


def test_a_single_vote_is_hardly_a_rating(rate: Rate) -> None:
    posterior = rate([("c00", "c01", "a")])
    assert "Only 1 votes bear" not in posterior.summary
    assert "Only 1 vote bears on the order of 6" in posterior.summary
    assert posterior.prob_beats()[0, 1] < 0.9
    assert np.isnan(posterior.prob_beats()[0, 2])
    assert all(row.caution for row in posterior.rows)
    assert {row.tier for row in posterior.rows} == {1}


def test_one_voter_with_half_of_the_votes_is_named(rate: Rate) -> None:
    pairs = list(itertools.permutations(range(CONTESTANTS), 2))
    left, right = np.array(pairs * 5).T
    voter = np.repeat(np.arange(5), len(pairs))
    # The first prefers whom it sees first in the list; the rest have no preference.
    low_first = (voter == 0) & (left < right)
    high_first = (voter == 0) & (left > right)
    table = np.ones((len(left), 4), dtype=int)
    table[low_first], table[high_first] = [40, 1, 0, 0], [0, 1, 40, 0]
    board = Board.of(NAMES, left, right, table, {"voter": Factor(tuple("vwxyz"), voter)})
    posterior = rate(board)
    assert posterior.rows[0].contestant == "c00"
    assert "One voter, v, cast " in posterior.summary
    assert "the intervals do not know it" in posterior.summary
    without = rate(board.where("voter", "w"))
    assert "One voter" not in without.summary


def test_too_few_draws_to_converge_are_not_relied_on(tmp_path: Path) -> None:
    posterior = fit(
        Board.from_comparisons(round_robin(2)), replace(SETTINGS, chains=2, draws=100, tune=100)
    )
    assert not posterior.diagnostics.ok
    assert posterior.summary.split(". ", 1)[1].startswith("Do not rely on these ratings")
    told = json.loads((posterior.save(tmp_path) / "summary.json").read_text())
    assert told["ok"] is False
    assert told["diagnostics"]["findings"] == list(posterior.diagnostics.findings)


def test_an_approximation_that_does_not_hold_gives_way_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise laplace.NotApproximated("its weights are uneven.")

    monkeypatch.setattr(laplace, "approximate", refuse)
    board = Board.from_comparisons(round_robin(4))
    posterior = fit(board, replace(SETTINGS, engine="laplace"))
    assert posterior.diagnostics.pareto_k is None
    assert posterior.diagnostics.ok
    assert "its weights are uneven" in posterior.summary
