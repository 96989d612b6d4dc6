from __future__ import annotations

import dataclasses

import numpy as np
import nutpie
import pymc as pm
import pytest
from numpy.testing import assert_allclose
from ratings_boards import CONTESTANTS, Truth, names, simulate

from rostra.arena.ratings import models
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.engines import nuts
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.settings import Anchor, FitSettings
from rostra.arena.ratings.spec import ModelSpec

NAMES = names(CONTESTANTS)
TRUTH = Truth(np.array([0.9, 0.5, 0.1, -0.1, -0.4, -1.0]), side=0.5, tie=0.3)


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


def test_a_refit_equals_a_fresh_compilation(
    many_votes: Board, posterior: Posterior, settings: FitSettings
) -> None:
    fresh = nutpie.sample(
        nutpie.compile_pymc_model(models.build(many_votes, ModelSpec(both_bad="out"))),
        chains=settings.chains,
        draws=settings.draws,
        tune=settings.tune,
        seed=settings.seed,
        target_accept=settings.target_accept,
        progress_bar=False,
    )
    assert_allclose(fresh.posterior["strength"].values, posterior.strengths, rtol=1e-9, atol=1e-9)
    assert_allclose(fresh.posterior["side"].values, posterior.side, rtol=1e-9, atol=1e-9)


def test_a_refit_compiles_nothing(
    posterior: Posterior, settings: FitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled_again(*_: object, **__: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(nutpie, "compile_pymc_model", compiled_again)
    other = fit(Board.from_comparisons(round_robin("a", 3)), settings)
    assert other.contestants == NAMES
    assert other.side.mean() > posterior.side.mean()


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


def test_pymc_samples_a_single_pair() -> None:
    counts = Board.from_comparisons([("ant", "bee", "a")] * 9 + [("bee", "ant", "a")] * 3)
    seen: list[int] = []
    posterior = fit(
        counts,
        FitSettings(chains=2, draws=500, tune=300, sampler="pymc"),
        lambda done, _: seen.append(done),
    )
    assert seen[-1] == 3200
    assert "nutpie" not in posterior.versions
    first, second = posterior.table()
    assert (first.contestant, second.contestant) == ("ant", "bee")
    assert first.p_best + second.p_best == pytest.approx(1)
    assert 0.8 < first.p_best < 1
    # Nine to three against an equal with a side of one's own: the prior pulls towards even.
    assert 0.5 < first.win_rate < 0.75


def test_the_model_gives_log_likelihood_and_predictions(posterior: Posterior) -> None:
    model = models.build(posterior.board, ModelSpec(both_bad="out"))
    strengths, side = posterior.strengths[:1, :50], posterior.side[:1, :50]
    import arviz as az

    draws = az.from_dict(
        posterior={
            "strength": strengths,
            "side": side,
            "tie": posterior.tie[:1, :50],
            "scale": posterior.draws["scale"][:1, :50],
        },
        coords={"contestant": list(NAMES)},
        dims={"strength": ["contestant"]},
    )
    counts = posterior.board
    eta = strengths[..., counts.left] - strengths[..., counts.right] + side[..., None]
    expected = outcome_probabilities("davidson", eta, posterior.tie[:1, :50, None])

    logs = pm.compute_log_likelihood(draws, model=model, progressbar=False).log_likelihood
    assert_allclose(logs["outcomes"], (counts.decided * np.log(expected)).sum(axis=-1))

    predicted = pm.sample_posterior_predictive(draws, model=model, progressbar=False, random_seed=1)
    votes = predicted.posterior_predictive["outcomes"].values
    assert (votes.sum(axis=-1) == counts.decided.sum(axis=-1)).all()
    shares = votes.mean(axis=(0, 1)) / counts.decided.sum(axis=-1, keepdims=True)
    assert_allclose(shares, expected.mean(axis=(0, 1)), atol=0.02)


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
