from __future__ import annotations

from datetime import timedelta

import numpy as np
from ratings_boards import made_up_posterior

from rostra.arena.ratings.plots.chain_ranks import BINS, chain_ranks, histogram
from rostra.arena.ratings.plots.gallery import PLOTS, Question, gallery
from rostra.arena.ratings.plots.history import Result, history
from rostra.arena.ratings.plots.parameters import watched
from rostra.arena.ratings.plots.predicted import predicted
from rostra.arena.ratings.plots.traces import traces

MEANS = np.array([0.8, -0.3, 0.1])


def test_ranks_of_equal_chains_are_level_and_those_of_another_are_not() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(4, 1000))
    counts = histogram(values)
    assert counts.shape == (4, BINS)
    assert counts.sum() == 4000
    assert counts.max() < 2 * 1000 / BINS
    values[0] += 5
    apart = histogram(values)
    assert apart[0, : BINS // 2].sum() == 0


def test_the_strength_that_the_chains_agree_on_least_is_watched() -> None:
    posterior = made_up_posterior(np.linspace(1, -1, 9))
    strengths = np.array(posterior.draws["strength"])
    strengths[0, :, 5] += 1
    object.__setattr__(posterior, "draws", {**posterior.draws, "strength": strengths})
    names = list(watched(posterior))
    assert "c05" in names
    assert {"side", "ties"} <= set(names)
    assert "spread of strengths" not in names  # it does not vary here


def test_tables_hold_what_is_drawn() -> None:
    posterior = made_up_posterior(MEANS)
    trace = traces(posterior).table
    assert trace["chain"].unique().to_list() == [0, 1, 2, 3]
    first = trace.filter((trace["chain"] == 0) & (trace["draw"] == 0))
    assert first["c00"][0] == posterior.strengths[0, 0, 0]
    table = chain_ranks(posterior).table
    assert table.group_by("parameter").agg(table["draws"].sum()).height == len(watched(posterior))


def test_predicted_shares_are_those_of_the_check() -> None:
    posterior = made_up_posterior(MEANS)
    table = predicted(posterior).table
    checked = posterior.predictive
    assert table.height == 2 * len(checked.first)
    wins = table.filter(table["outcome"] == "win")
    np.testing.assert_array_equal(wins["predicted"].to_numpy(), checked.pairs.predicted[:, 0])
    np.testing.assert_array_equal(wins["observed"].to_numpy(), checked.pairs.observed[:, 0])


def test_history_is_in_order_of_time_and_begins_with_two() -> None:
    posterior = made_up_posterior(MEANS)
    new = Result(posterior.created, posterior.rows)
    old = Result(posterior.created - timedelta(days=7), posterior.rows[:2])
    assert history([new]) is None
    plot = history([new, old])
    assert plot is not None
    assert plot.table.group_by("contestant", maintain_order=True).len()["len"].to_list() == [
        2,
        2,
        1,
    ]
    assert plot.table["at"].is_sorted() is False
    assert plot.table["contestant"][0] == posterior.rows[0].contestant


def test_the_gallery_has_each_plot_under_its_name_once() -> None:
    posterior = made_up_posterior(MEANS)
    asked = Question(prices={"c00": 1.0, "c01": 2.0})
    found = [plot for _, plots in gallery(posterior, asked) for plot in plots]
    assert len({plot.name for plot in found}) == len(found)
    assert {plot.name for plot in found} == set(PLOTS) - {
        "history",
        "categories",
        "drift",
        "judges",
    }
    for plot in found:
        assert plot.text
        assert plot.title
        assert plot.table.height
