"""Few votes and many verdicts: another's figures, intervals that hold, and what cannot be done."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from typer.testing import CliRunner

from benchmarks.prediction_powered import League, simulated
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical import (
    LikelihoodSettings,
    PoweredSettings,
    matched,
    maximum_likelihood,
    prediction_powered,
)
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.settings import Anchor
from rostra.mesh.cli.judge import app
from rostra.mesh.errors import RostraError

NAMES = "abcd"
Draw = tuple[np.ndarray, np.ndarray, np.ndarray]

PPI = {
    0.5: ([-0.574039, -0.828857, -1.232136], [0.194790, 0.211683, 0.219571]),
    1.0: ([-0.543883, -0.711104, -1.189433], [0.214455, 0.229486, 0.235162]),
}
"""By power: logistic regression on the votes of `design`, the first contestant at zero, by
`ppi_logistic_pointestimate` and `ppi_logistic_ci` of ppi-python 0.2.3, estimate and standard
error."""


def design() -> tuple[Draw, Draw]:
    """Votes on four contestants, each pair as often in the small part as in the large one, and what
    a judge says of them: pairs, people's wins of the first, the judge's."""
    rng = np.random.default_rng(2023)
    strengths = np.array([0.6, 0.2, -0.1, -0.7])
    pairs = np.array([(i, j) for i in range(4) for j in range(i + 1, 4)])

    def draw(times: int) -> Draw:
        met = np.repeat(pairs, times, axis=0)
        noise = rng.logistic(size=len(met))
        ahead = strengths[met[:, 0]] - strengths[met[:, 1]]
        judges = np.where(rng.random(len(met)) < 0.8, noise, rng.logistic(size=len(met)))
        return met, ahead + noise > 0, 1.4 * ahead + 0.5 + judges > 0

    return draw(40), draw(200)


def frame(met: np.ndarray, first_won: np.ndarray, judge: str | None, start: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "left": [NAMES[i] for i in met[:, 0]],
            "right": [NAMES[i] for i in met[:, 1]],
            "outcome": ["a" if won else "b" for won in first_won],
            "judge": pl.Series([judge] * len(met), dtype=pl.String),
            "prompt": [str(start + i) for i in range(len(met))],
        }
    )


@pytest.fixture(scope="module")
def votes() -> pl.DataFrame:
    (met, won, judged), (others, _, judged_others) = design()
    return pl.concat(
        [
            frame(met, won, None, 0),
            frame(met, judged, "j", 0),
            frame(others, judged_others, "j", 10_000),
        ]
    )


@pytest.mark.parametrize("power", PPI)
def test_as_ppi_python_has_it(votes: pl.DataFrame, power: float) -> None:
    found = prediction_powered(
        matched(votes), PoweredSettings(ties="half", side=False, power=power)
    )
    estimate, errors = PPI[power]
    assert_allclose(found.strengths[1:] - found.strengths[0], estimate, atol=2e-6)
    against = np.array([[-1, 1, 0, 0], [-1, 0, 1, 0], [-1, 0, 0, 1]])
    ours = np.sqrt(np.diag(against @ found.covariance @ against.T))
    # Theirs take battles of all kinds for one, and what kinds differ in for noise.
    assert np.all(ours < 1.01 * np.array(errors))
    assert np.all(ours > 0.9 * np.array(errors))


def test_without_power_people_stand_alone(votes: pl.DataFrame) -> None:
    found = prediction_powered(matched(votes), PoweredSettings(side=True, power=0))
    people = votes.filter(pl.col("judge").is_null())
    board = Board.from_comparisons(people.select("left", "right", "outcome").iter_rows())
    alone = maximum_likelihood(board, LikelihoodSettings(side=True))
    assert_allclose(found.strengths, alone.strengths, atol=1e-8)
    assert_allclose(found.strengths, found.people_strengths)
    number = len(people)
    assert_allclose(found.se, alone.sandwich_se * np.sqrt(number / (number - 1)), rtol=1e-6)


def test_the_tuned_power_makes_the_least_variance(votes: pl.DataFrame) -> None:
    tuned = prediction_powered(matched(votes))
    assert 0 < tuned.power < 1
    for power in (0.0, 1.0):
        other = prediction_powered(matched(votes), PoweredSettings(power=power))
        assert np.trace(tuned.covariance) < np.trace(other.covariance)
    assert tuned.worth > 1


def test_a_judge_that_tells_nothing_is_not_listened_to() -> None:
    league = League(shared=0.0, weight=0.0)
    found = prediction_powered(matched(simulated(league, np.random.default_rng(3))))
    assert found.power < 0.15
    assert found.worth < 1.1


def test_intervals_hold_and_are_narrower() -> None:
    """A small one of `benchmarks/prediction_powered.py`: a judge that favours a side and itself."""
    league = League()
    truth = league.truth(seed=0, battles=200_000)
    held, alone, width = [], [], []
    for seed in range(60):
        data = matched(simulated(league, np.random.default_rng(seed)))
        found = prediction_powered(data, PoweredSettings(side=False))
        errors = 1.96 * np.sqrt(np.diag(found.covariance))
        held.append(np.abs(found.strengths - truth) < errors)
        people = 1.96 * np.sqrt(np.diag(found.people_covariance))
        alone.append(np.abs(found.people_strengths - truth) < people)
        width.append(errors.mean() / people.mean())
    # 360 intervals, of which those of one league go together: three standard errors are 5 %.
    assert np.mean(held) > 0.90
    assert np.mean(alone) > 0.90
    assert np.mean(width) < 0.9


def test_verdicts_alone_would_be_wrong() -> None:
    """That the planted bias matters: rated by its verdicts, the judge's own contestant rises."""
    league = League()
    verdicts = simulated(league, np.random.default_rng(1)).filter(pl.col("judge").is_not_null())
    board = Board.from_comparisons(verdicts.select("left", "right", "outcome").iter_rows())
    fitted = maximum_likelihood(board, LikelihoodSettings(ties="davidson"))
    truth = league.truth(seed=0, battles=200_000)
    error = np.sqrt(np.diag(fitted.covariance)[0])
    assert fitted.strengths[0] - truth[0] > 4 * error


def test_verdicts_of_kinds_that_nobody_voted_on_are_counted(votes: pl.DataFrame) -> None:
    met = np.array([[1, 0]] * 5)
    turned = frame(met, np.ones(5, dtype=bool), "j", 50_000)
    found = prediction_powered(matched(pl.concat([votes, turned])))
    assert found.unused == 5
    assert (found.votes, found.paired, found.verdicts) == (240, 240, 1200)


def test_what_cannot_be_done_is_one_line(votes: pl.DataFrame) -> None:
    by_people = pl.col("judge").is_null()
    people = votes.filter(by_people)
    others = votes.filter(~by_people).with_columns(prompt=pl.format("other {}", "prompt"))
    with pytest.raises(RatingsError, match=r"no battle in common.*run the judge on some of the"):
        matched(pl.concat([people, others]))
    with pytest.raises(RatingsError, match="no vote of a person"):
        matched(others)
    with pytest.raises(RatingsError, match="carry no prompt"):
        matched(votes.drop("prompt"))
    first = people.head(30)
    with pytest.raises(RatingsError, match=r"no finite estimate for everybody.*collect more votes"):
        prediction_powered(matched(pl.concat([first, votes.filter(pl.col("judge") == "j")])))
    with pytest.raises(RatingsError, match="davidson or half"):
        PoweredSettings(ties="rao-kupper")
    with pytest.raises(RatingsError, match="power 2"):
        PoweredSettings(power=2)
    with pytest.raises(RatingsError, match="'e' is not a contestant"):
        prediction_powered(matched(votes), PoweredSettings(anchor=Anchor(1000, "e")))


def test_the_anchor_is_where_it_was_put(votes: pl.DataFrame) -> None:
    found = prediction_powered(matched(votes), PoweredSettings(anchor=Anchor(1200, "b")))
    assert found.ratings[1] == pytest.approx(1200)
    low, high = found.interval()
    assert np.all(low < found.ratings)
    assert np.all(found.ratings < high)


def test_the_command(votes: pl.DataFrame, tmp_path: Path) -> None:
    people, verdicts = tmp_path / "people.csv", tmp_path / "j.csv"
    votes.filter(pl.col("judge").is_null()).drop("judge").write_csv(people)
    votes.filter(pl.col("judge").is_not_null()).drop("judge").write_csv(verdicts)
    files = ["rate", "--votes", f"{people}", "--verdicts", f"{verdicts}"]
    result = CliRunner().invoke(app, files)
    assert result.exit_code == 0, result.output
    assert "people alone" in result.output
    assert "times as many votes of people" in result.output
    told = CliRunner().invoke(app, [*files, "--output", "json", "--anchor", "a=1100"])
    assert json.loads(told.stdout)["ratings"][0]["rating"] == pytest.approx(1100)
    refused = CliRunner().invoke(app, [*files, "--anchor", "nobody=1100"])
    assert isinstance(refused.exception, RostraError)
    assert "nobody" in str(refused.exception)
