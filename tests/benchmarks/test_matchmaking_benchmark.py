from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import matchmaking
from benchmarks.matchmaking_leagues import Fit, draw_league, least_share, play
from rostra.arena.ratings.outcomes import outcome_probabilities

BOARD = np.linspace(-1.2, 1.2, 30)


def test_the_fit_finds_the_truth_that_expected_votes_come_from():
    count = 6
    truth = np.linspace(-0.5, 0.5, count)
    fit = Fit(count)
    eta = truth[:, None] - truth[None, :] + 0.15
    fit.table[:] = 1e5 * outcome_probabilities("davidson", eta, -0.3)
    fit.table[np.diag_indices(count)] = 0
    found = fit.beliefs()
    assert found.mean == pytest.approx(truth, abs=1e-3)
    assert (found.side, found.tie) == pytest.approx((0.15, -0.3), abs=1e-3)
    assert found.covariance.sum(axis=1) == pytest.approx(np.zeros(count), abs=1e-12)


@pytest.mark.parametrize("policy", matchmaking.SCENARIOS["fresh"])
def test_a_league_is_the_same_each_time_and_votes_tell_its_order(policy):
    league = draw_league(BOARD, "joined", 10, seed=3)
    assert (league.joining, league.before) == (2, 4000)
    curve, again = (play(league, policy, 3000, seed=3) for _ in range(2))
    assert curve == again
    assert curve.votes[-1] >= 3000
    assert curve.tau[-1] > 0.8
    assert curve.width[-1] < curve.width[0]


def test_no_choice_of_pairs_makes_the_intervals_of_a_fresh_board_much_narrower():
    assert 0.9 < least_share(draw_league(BOARD, "fresh", 10, seed=1)) < 1


def test_votes_are_read_off_a_noisy_curve():
    votes = np.array([100.0, 200.0, 400.0, 800.0])
    tau = np.array([0.2, 0.6, 0.5, 1.0])
    assert matchmaking.votes_at(votes, tau, 0.6) == pytest.approx(200)
    assert matchmaking.votes_at(votes, tau, 0.8) == pytest.approx(math.sqrt(400 * 800))
    assert matchmaking.votes_at(votes, tau, 1.1) == math.inf


@pytest.mark.slow
def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path, capsys):
    board = tmp_path / "board.csv"
    board.write_text("name,rating\n" + "".join(f"m{i},{1000 + 20 * i}\n" for i in range(12)))
    made = tmp_path / "result.json"
    command = ["--leagues", "2", "--contestants", "8", "--votes", "1500", "--board", str(board)]
    command += ["--work", str(tmp_path / "work"), "--json", str(made)]
    matchmaking.main(command)
    log = tmp_path / "work" / "leagues.jsonl"
    log.write_text(log.read_text()[:-30])
    first = json.loads(made.read_text())["rows"]
    capsys.readouterr()
    matchmaking.main(command)
    assert "15 leagues done before, 1 to do" in capsys.readouterr().out
    assert json.loads(made.read_text())["rows"] == first
    by = {(row["what"], row["peer"]): row for row in first}
    assert by["fresh board, tau 0.95", "uniform"]["curve"]["tau"]
    assert 0 < by["fresh board, same width", "least"]["votes_of_uniform"] <= 1
