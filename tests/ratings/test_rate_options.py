"""Options of `rostra rate`, without a fit: what they ask the votes and the model for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from ratings_boards import made_up_posterior
from typer.testing import CliRunner, Result

from rostra.arena.publishing import Published
from rostra.arena.ratings import fit as fit_module
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec
from rostra.mesh.cli.rate import rate
from rostra.mesh.cli.rating_options import BothBad, ModelOptions, Ties, parse_time
from rostra.mesh.cli.rating_run import Rating
from rostra.mesh.cli.rating_source import MALFORMED, FileSource
from rostra.mesh.errors import RostraError

app = typer.Typer()
app.command()(rate)

VOTES = """model_a,model_b,winner,tstamp,language,judge,response_a,response_b
x,y,model_a,2026-11-16T10:00Z,German,j1,one two three,# One
y,x,model_b,2026-11-17T10:00Z,German,j2,one,two **three**
x,z,tie,2026-11-23T10:00Z,English,j1,one,one two
z,y,tie (bothbad),2026-11-24T10:00Z,,j2,one two,one
"""


class Asked:
    """What `fit` was asked for; it answers with a posterior that nobody sampled."""

    board: Board
    spec: ModelSpec
    settings: FitSettings
    provenance: Provenance
    times = 0

    def fit(
        self,
        board: Board,
        settings: FitSettings,
        progress: Any,
        spec: ModelSpec,
        provenance: Provenance,
    ) -> Posterior:
        self.board, self.settings, self.spec, self.provenance = board, settings, spec, provenance
        self.times += 1
        made_up = made_up_posterior(np.linspace(1, -1, 3))
        return dataclasses.replace(made_up, settings=settings, provenance=provenance)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    asked = Asked()
    monkeypatch.setattr(fit_module, "fit", asked.fit)
    # Audits and reports take a second each, are of real posteriors, and have tests of their own.
    monkeypatch.setattr(
        "rostra.arena.publishing.publish",
        lambda posterior, directory, _read, _wanted: Published(posterior.save(directory), ()),
    )
    return asked


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    path = tmp_path / "votes.csv"
    path.write_text(VOTES)
    return path


def run(votes: Path | None, *options: str) -> Result:
    given = ["--votes", str(votes)] if votes else []
    home = str((votes or Path("/nonexistent")).parent / "home")
    return CliRunner().invoke(app, ["--home", home, *given, *options])


def refused(result: Result) -> str:
    assert isinstance(result.exception, RostraError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ModelSpec()),
        (["--model", "rao-kupper"], ModelSpec(ties="rao-kupper")),
        (
            ["--model", "bradley-terry", "--both-bad", "tie"],
            ModelSpec("bradley-terry", both_bad="tie"),
        ),
        (["--no-side", "--both-bad", "out"], ModelSpec(side=False, both_bad="out")),
        (["--by", "language"], ModelSpec(structure="categories", factor="language")),
        (["--drift", "week"], ModelSpec(structure="drift", factor="week")),
        (["--voters"], ModelSpec(structure="voters", factor="voter")),
        (["--style-control", "length, bold"], ModelSpec(style=("length", "bold"))),
        (
            ["--style-control", "length", "--tie-style", "length,headers", "--by", "week"],
            ModelSpec(
                style=("length",),
                tie_style=("length", "headers"),
                structure="categories",
                factor="week",
            ),
        ),
    ],
)
def test_options_are_a_model(
    votes: Path, asked: Asked, options: list[str], expected: ModelSpec
) -> None:
    result = run(votes, *options)
    assert result.exit_code == 0, result.output
    assert asked.spec == expected
    assert tuple(asked.board.factors) == ((expected.factor,) if expected.factor else ())
    assert set(asked.board.covariates) == {*expected.style, *expected.tie_style}


def test_settings_reach_the_fit(votes: Path, asked: Asked) -> None:
    options = ["--anchor", "c01=1200", "--engine", "laplace", "--seed", "5", "--draws", "300"]
    assert run(votes, *options).exit_code == 0
    assert (asked.settings.anchor.name, asked.settings.anchor.rating) == ("c01", 1200)
    assert (asked.settings.engine, asked.settings.seed, asked.settings.draws) == ("laplace", 5, 300)


def test_what_is_left_out_is_told_below_the_table(votes: Path, asked: Asked) -> None:
    result = run(votes, "--by", "language", "--since", "2026-11-17", "--until", "2026-11-25T00:00Z")
    assert asked.board.num_votes == 2
    assert asked.board.factors["language"].levels == ("English", "German")
    assert asked.provenance == Provenance(
        source=str(votes),
        rows_read=4,
        rows_used=2,
        left_out=(("cast before 2026-11-17T00:00:00+00:00", 1), ("no language", 1)),
        first_vote="2026-11-17T10:00:00+00:00",
        last_vote="2026-11-23T10:00:00+00:00",
    )
    told = "Left out 2 of 4 rows: 1 × cast before 2026-11-17T00:00:00+00:00, 1 × no language."
    assert told in result.output
    assert result.exit_code == 0


def test_malformed_rows_are_told_and_change_the_exit_code(votes: Path, asked: Asked) -> None:
    votes.write_text(VOTES + "x,y,maybe,,,,,\nx,x,tie,,,,,\n")
    result = run(votes)
    assert result.exit_code == MALFORMED == 3
    assert asked.board.num_votes == 4
    assert "malformed: 1 × unknown outcome (row 5: maybe)" in result.output
    assert "malformed: 1 × a contestant against itself (row 6: x)" in result.output


def test_strict_refuses_before_rating(votes: Path, asked: Asked) -> None:
    votes.write_text(VOTES + "x,y,maybe,,,,,\n")
    line = refused(run(votes, "--strict"))
    assert "1 of 5 rows are malformed" in line
    assert "unknown outcome (row 5: maybe)" in line
    assert asked.times == 0


def test_counts_without_sides_have_no_side_effect(tmp_path: Path, asked: Asked) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("model_a,model_b,win_a,win_b\nx,y,3,1\nx,z,2,2\n")
    assert run(path).exit_code == 0
    assert asked.spec == ModelSpec(side=False)
    assert "each pair stands in one order only" in refused(run(path, "--side"))
    assert "counts by pair, which carry no times" in refused(run(path, "--by", "language"))
    path.write_text("model_a,model_b,win_a,win_b\nx,y,3,1\ny,x,2,2\n")
    assert run(path).exit_code == 0
    assert asked.spec == ModelSpec(side=True)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--by", "language", "--voters"], "--by and --voters are different models"),
        (["--drift", "week", "--by", "week"], "--by and --drift are different models"),
        (["--by", "category"], "the votes carry no category"),
        (["--style-control", "charm"], "there is no style feature 'charm'"),
        (["--style-control", ""], "there is no style feature ''"),
        (["--since", "last week"], "--since 'last week' is not a date"),
        (["--since", "2027-01-01"], "no votes are left to rate from: 4 cast before"),
        (["--format", "cvs"], "there is no format 'cvs'"),
        (["--votes-url", "sqlite:///x"], "--votes and --votes-url name two sources"),
        (["--model", "bradley-terry", "--tie-style", "length"], "bradley-terry has no propensity"),
    ],
)
def test_a_mistake_is_one_line(votes: Path, asked: Asked, options: list[str], line: str) -> None:
    assert line in refused(run(votes, *options))
    assert asked.times == 0


def test_file_options_without_a_file(tmp_path: Path) -> None:
    home = ["--home", str(tmp_path)]
    for option in (["--format", "csv"], ["--strict"]):
        line = refused(CliRunner().invoke(app, [*home, *option]))
        assert f"{option[0]} is for a file of votes" in line


def test_a_mistyped_store_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "vots.sqlite3"
    url = f"sqlite:///{path}"
    line = refused(CliRunner().invoke(app, ["--home", str(tmp_path), "--votes-url", url]))
    assert "there is no such file" in line
    assert not path.exists()


def test_times_are_utc_unless_they_say_otherwise() -> None:
    assert parse_time("--since", "2026-11-22") == datetime(2026, 11, 22, tzinfo=UTC)
    moment = parse_time("--since", "2026-11-22T10:15+01:00")
    assert moment == datetime(2026, 11, 22, 9, 15, tzinfo=UTC)
    assert parse_time("--since", None) is None


class StopError(Exception):
    pass


def test_watching_rates_when_votes_have_changed_and_outlives_errors(
    votes: Path, asked: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    votes.unlink()
    steps = iter(
        [
            lambda: None,  # still no file
            lambda: votes.write_text(VOTES),
            lambda: None,  # nothing new
            lambda: votes.write_text(VOTES + "y,z,tie,,,,,\n"),
            lambda: votes.write_text("nonsense"),
        ]
    )
    seen: list[tuple[int, int]] = []

    def sleep(seconds: float) -> None:
        assert seconds == 7
        seen.append((asked.times, asked.board.num_votes if asked.times else 0))
        step = next(steps, None)
        if step is None:
            raise StopError
        step()

    options = ModelOptions(
        Ties.DAVIDSON, None, BothBad.OWN, None, None, False, None, None, None, None
    )
    rating = Rating(FileSource(votes, None, False), options, tmp_path / "out", FitSettings())
    with pytest.raises(StopError):
        rating.watch(7, sleep)
    assert seen == [(0, 0), (0, 0), (1, 4), (1, 4), (2, 5), (2, 5)]
    output = capsys.readouterr().out
    assert output.count("is not a file") == 1
    assert "is in no known format" in output
    assert len([path for path in (tmp_path / "out").iterdir() if path.is_dir()]) == 2
    assert (tmp_path / "out" / (tmp_path / "out" / "latest").read_text().strip()).is_dir()
