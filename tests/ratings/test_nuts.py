from __future__ import annotations

import dataclasses

import numpy as np
import pymc as pm
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from ratings_boards import CONTESTANTS, Truth, names, simulate

from rostra.arena.ratings import models
from rostra.arena.ratings.board import Board, Factor
from rostra.arena.ratings.engines import by_pymc, nuts
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.settings import Anchor, FitSettings
from rostra.arena.ratings.spec import ModelSpec

NAMES = names(CONTESTANTS)
TRUTH = Truth(np.array([0.9, 0.5, 0.1, -0.1, -0.4, -1.0]), side=0.5, tie=0.3)


@pytest.fixture(scope="module")
def settings() -> FitSettings:
    return FitSettings(chains=4, draws=400, tune=300, seed=7)


@pytest.fixture(scope="module")
def many_votes() -> Board:
    return simulate(np.random.default_rng(5), TRUTH, votes=20_000, both_bad=0.1)


@pytest.fixture(scope="module")
def posterior(many_votes: Board, settings: FitSettings) -> Posterior:
    return fit(many_votes, settings)


def round_robin(outcome: str, times: int) -> list[tuple[str, str, str]]:
    return [(left, right, outcome) for left in NAMES for right in NAMES if left != right] * times


def test_many_votes_recover_the_truth(posterior: Posterior) -> None:
    assert posterior.diagnostics.ok, posterior.summary
    # Four posterior standard deviations: never missed by chance, and small beside the truth.
    for draws, truth in (
        (posterior.side, TRUTH.side),
        (posterior.tie, TRUTH.tie),
        (posterior.strengths[..., 0], TRUTH.strengths[0]),
        (posterior.strengths[..., 5], TRUTH.strengths[5]),
    ):
        assert draws.std() < 0.06
        assert abs(draws.mean() - truth) < 4 * draws.std()


def test_both_bad_votes_do_not_move_the_strengths(
    many_votes: Board, posterior: Posterior, settings: FitSettings
) -> None:
    without = dataclasses.replace(many_votes, table=many_votes.table * [1, 1, 1, 0])
    again = fit(without, settings)
    assert_allclose(again.strengths, posterior.strengths)
    rates = [row.both_bad_rate for row in posterior.table()]
    assert_allclose(rates, 0.1, atol=0.03)
    assert {row.both_bad_rate for row in again.table()} == {0.0}


def test_the_same_votes_and_seed_give_the_same_draws(
    many_votes: Board, posterior: Posterior, settings: FitSettings
) -> None:
    again = fit(many_votes, settings)
    assert set(again.draws) == set(posterior.draws)
    for name, draws in posterior.draws.items():
        assert_array_equal(again.draws[name], draws)
    other = fit(many_votes, dataclasses.replace(settings, seed=8))
    assert not np.array_equal(other.strengths, posterior.strengths)


def test_pymc_gives_the_same_answer(many_votes: Board, posterior: Posterior) -> None:
    """From PyMC's own graph by PyMC's own sampler: a model that no kernel has any part in."""
    settings = FitSettings(chains=2, draws=400, tune=300, seed=3, sampler="pymc")
    seen: list[tuple[int, int]] = []
    other = fit(
        many_votes,
        settings,
        lambda done, total: seen.append((done, total)),
        spec=ModelSpec(both_bad="out"),
    )
    assert seen[-1] == (1400, 1400)
    assert "nutpie" not in other.versions
    assert "nutpie" in posterior.versions
    for name in other.draws:
        ours, theirs = posterior.draws[name], other.draws[name]
        error = sum(draws.std(axis=(0, 1)) / 200**0.5 for draws in (ours, theirs))
        assert (np.abs(ours.mean(axis=(0, 1)) - theirs.mean(axis=(0, 1))) < 4 * error).all()
        assert_allclose(ours.std(axis=(0, 1)), theirs.std(axis=(0, 1)), rtol=0.25)


@pytest.mark.parametrize("structure", ["overall", "categories", "drift", "voters"])
def test_nutpie_needs_no_graph(
    structure: str, settings: FitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def built(*_: object) -> None:
        raise AssertionError("a graph is built")

    monkeypatch.setattr(models, "build", built)
    pairs = np.array([(i, j, level) for i in range(3) for j in range(3) for level in (0, 1)])
    left, right, code = pairs[pairs[:, 0] != pairs[:, 1]].T
    factor = None if structure == "overall" else "factor"
    board = Board.of(
        names(3), left, right, [[3, 1, 1, 0]] * len(left), {"factor": Factor(("x", "y"), code)}
    )
    spec = ModelSpec(structure=structure, factor=factor, both_bad="out")
    drawn = nuts.sample(board, spec, settings, None)
    assert set(drawn.values) == set(models.variables(spec))
    assert "pymc" not in drawn.libraries
    assert "nutpie" in drawn.libraries


def test_pymcs_sampler_keeps_a_model_for_boards_of_its_size(
    settings: FitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled: list[pm.Model] = []
    given: list[dict[str, NDArray]] = []

    def drawn(model: pm.Model, data: dict, variables: tuple[str, ...], *_: object) -> tuple:
        sampled.append(model)
        given.append(data)
        return {name: np.zeros((4, 400)) for name in variables}, 0

    monkeypatch.setattr(nuts, "_kept", {})
    monkeypatch.setattr(by_pymc, "sample_model", drawn)
    spec = ModelSpec(structure="categories", factor="category", both_bad="out")
    for size, votes in ((3, 1), (3, 2), (4, 1)):
        left, right = np.nonzero(~np.eye(size, dtype=bool))
        category = Factor(("code", "prose"), left % 2)
        table = np.full((len(left), 4), votes)
        board = Board.of(names(size), left, right, table, {"category": category})
        nuts.sample(board, spec, dataclasses.replace(settings, sampler="pymc"), None)
    assert sampled[0] is sampled[1]
    assert sampled[1] is not sampled[2]
    assert [int(data["votes"].max()) for data in given] == [1, 2, 1]


def test_progress_reaches_the_total(many_votes: Board, settings: FitSettings) -> None:
    seen: list[tuple[int, int]] = []
    fit(many_votes, settings, lambda done, total: seen.append((done, total)))
    total = 2 * settings.chains * (settings.draws + settings.tune)
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_an_interrupt_ends_the_fit(many_votes: Board, settings: FitSettings) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(many_votes, dataclasses.replace(settings, draws=20_000), interrupt)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_first_few_votes_sample_well(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [(*rng.choice(NAMES, 2, replace=False), "a") for _ in range(20)]
    posterior = fit(Board.from_comparisons([(str(a), str(b), c) for a, b, c in rows], NAMES))
    assert posterior.diagnostics.divergences == 0
    assert posterior.diagnostics.max_rhat < 1.01


def test_ties_alone_tell_no_order(settings: FitSettings) -> None:
    posterior = fit(Board.from_comparisons(round_robin("tie", 5)), settings)
    rows = posterior.table()
    assert all(row.eti_94[0] < 1000 < row.eti_94[1] for row in rows)
    assert all((row.rank_best, row.rank_worst) == (1, CONTESTANTS) for row in rows)
    assert posterior.tie.mean() > 2


def test_an_undefeated_contestant_has_a_finite_rating(settings: FitSettings) -> None:
    rows = round_robin("a", 1) + round_robin("b", 1)
    undefeated = [
        row for row in rows if "c03" not in row[:2] or row[0 if row[2] == "a" else 1] == "c03"
    ]
    posterior = fit(Board.from_comparisons(undefeated), settings)
    first, second = posterior.table()[:2]
    assert first.contestant == "c03"
    assert first.rating > second.rating + 100
    assert first.eti_94[1] < 3000
    assert posterior.prob_beats()[3].min() == 0.5  # against itself
    assert np.delete(posterior.prob_beats()[3], 3).min() > 0.9


def test_groups_that_never_met_are_a_finding(settings: FitSettings) -> None:
    rows = [
        row
        for row in round_robin("a", 10) + round_robin("b", 5)
        if (row[0] < "c03") == (row[1] < "c03")
    ]
    posterior = fit(Board.from_comparisons(rows), settings)
    assert not posterior.diagnostics.ok
    assert "2 groups that no vote links" in posterior.summary
    assert "Do not rely on these ratings" in posterior.summary


def test_an_anchor_moves_the_numbers_and_no_interval(
    many_votes: Board, posterior: Posterior, settings: FitSettings
) -> None:
    anchored = fit(many_votes, dataclasses.replace(settings, anchor=Anchor(1114, "c02")))
    moved = {row.contestant: row.rating for row in anchored.table()}
    assert moved["c02"] == pytest.approx(1114)
    shift = anchored.ratings - posterior.ratings
    assert_allclose(shift, shift.flat[0])


def test_a_single_pair_is_pulled_towards_even(settings: FitSettings) -> None:
    counts = Board.from_comparisons([("ant", "bee", "a")] * 9 + [("bee", "ant", "a")] * 3)
    first, second = fit(counts, settings).table()
    assert (first.contestant, second.contestant) == ("ant", "bee")
    assert first.p_best + second.p_best == pytest.approx(1)
    assert 0.8 < first.p_best < 1
    # Nine to three against an equal with a side of one's own: the prior pulls towards even.
    assert 0.5 < first.win_rate < 0.75


def test_an_unseen_contestant_is_as_wide_as_the_field(settings: FitSettings) -> None:
    rows = [row for row in round_robin("a", 20) + round_robin("b", 10) if "c05" not in row[:2]]
    posterior = fit(Board.from_comparisons(rows, NAMES), settings)
    assert posterior.diagnostics.divergences == 0
    spread = posterior.strengths.std(axis=(0, 1))
    assert spread[5] > 2 * spread[:5].max()
    # As wide as its prior, whose scale is what the five others show of the field.
    assert spread[5] > 0.8 * posterior.draws["scale"].mean()
    assert abs(posterior.strengths[..., 5].mean()) < spread[5] / 4


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([], "at least two contestants; the votes name none"),
        ([("ant", "bee", "both_bad")] * 2, "all 2 votes are 'both bad'"),
    ],
)
def test_nothing_to_rate_is_said(rows: list[tuple[str, str, str]], line: str) -> None:
    with pytest.raises(RatingsError, match=line):
        fit(Board.from_comparisons(rows))


def test_one_contestant_cannot_be_rated() -> None:
    with pytest.raises(RatingsError, match="only 'ant'"):
        fit(Board.from_comparisons([], contestants=["ant"]))


def test_no_votes_cannot_be_rated() -> None:
    with pytest.raises(RatingsError, match="there are no votes"):
        fit(Board.from_comparisons([], contestants=["ant", "bee"]))


def test_an_unknown_anchor_is_refused() -> None:
    counts = Board.from_comparisons([("ant", "bee", "a")])
    with pytest.raises(RatingsError, match="'yak' is not a contestant; take one of ant, bee"):
        fit(counts, FitSettings(anchor=Anchor(1000, "yak")))


def test_nutpie_is_asked_for_only_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nuts, "find_spec", lambda _: None)
    assert nuts.chosen_sampler(FitSettings()) == "pymc"
    with pytest.raises(RatingsError, match="nutpie is not installed"):
        nuts.chosen_sampler(FitSettings(sampler="nutpie"))


@pytest.mark.parametrize(
    "wrong", [{"chains": 1}, {"draws": 99}, {"tune": 0}, {"seed": -1}, {"target_accept": 1.0}]
)
def test_settings_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(RatingsError, match=next(iter(wrong))):
        FitSettings(**wrong)
