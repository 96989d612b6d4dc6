from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from ratings_boards import CONTESTANTS, made_up_posterior, names
from rich.console import Console
from typer.testing import CliRunner

from rostra.arena.contestant import Contestant
from rostra.arena.matchmaking import Pair
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.settings import Anchor
from rostra.arena.votes.records import EndedAnswer
from rostra.arena.votes.store import VoteStore
from rostra.mesh.cli.rate import rate
from rostra.mesh.cli.rating_options import parse_anchor
from rostra.mesh.cli.rating_table import rating_table
from rostra.mesh.errors import RostraError

FEW = ["--chains", "4", "--draws", "400", "--tune", "300", "--seed", "7"]

app = typer.Typer()
app.command()(rate)


def vote(store: VoteStore, left: str, right: str, outcome: str, revealed: bool = False) -> None:
    pair = Pair(*(Contestant(name=name, model="model") for name in (left, right)))
    ticket = store.open_battle(pair, "Why?", "192.0.2.1")
    for side in ("a", "b"):
        answer = EndedAnswer("Because.", 1.0, finish_reason="stop")
        store.end_answer(ticket.battle_id, 0, side, answer, identity_revealed=revealed)
    store.vote(ticket, outcome)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two votes on each ordered pair, the alphabet's first winning or tying."""
    root = tmp_path_factory.mktemp("home")
    store = VoteStore(f"sqlite:///{root / 'data' / 'votes.sqlite3'}")
    field = names(CONTESTANTS)
    for left in field:
        for right in field:
            if left != right:
                vote(store, left, right, "a" if left < right else "b")
                vote(store, left, right, "tie")
    store.close()
    return root


def test_votes_become_a_table_and_files(home: Path) -> None:
    result = CliRunner().invoke(app, ["--home", str(home), *FEW, "--anchor", "c05=500"])
    assert result.exit_code == 0, result.output
    ratings = home / "data" / "ratings"
    folder = ratings / (ratings / "latest").read_text().strip()
    assert {path.name for path in folder.iterdir()} == {
        "audit.json",
        "created.txt",
        "report.html",
        "posterior.nc",
        "ratings.csv",
        "summary.json",
    }
    assert str(folder) in result.output.replace("\n", "")
    assert "60 votes on 6 contestants." in result.output
    posterior = Posterior.latest(ratings)
    assert posterior is not None
    assert posterior.settings.draws == 400
    assert posterior.table()[0].contestant == "c00"
    assert posterior.table()[-1].rating == pytest.approx(500)
    lines = [line for line in result.output.splitlines() if "●" in line]
    assert [line.split()[1] for line in lines] == [row.contestant for row in posterior.table()]


def test_no_votes_yet_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--home", str(tmp_path)])
    assert result.exit_code == 1
    assert isinstance(result.exception, RostraError)
    assert str(result.exception).startswith("0 votes to rate from in sqlite:///")
    assert "vote in the arena first" in str(result.exception)
    assert not (tmp_path / "data" / "ratings").exists()


def test_votes_that_were_not_blind_are_left_out_and_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'votes.sqlite3'}"
    store = VoteStore(url)
    vote(store, "ant", "bee", "a", revealed=True)
    store.close()
    result = CliRunner().invoke(app, ["--home", str(tmp_path), "--votes-url", url])
    assert "(1 not blind, an answer says who wrote it)" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--anchor", "c00"], "--anchor 'c00' is not NAME=RATING"),
        (["--anchor", "=1000"], "is not NAME=RATING"),
        (["--anchor", "c00=high"], "is not NAME=RATING"),
        (["--anchor", "yak=1000"], "anchor 'yak' is not a contestant"),
        (["--draws", "5"], "draws is 5; it must be at least 100"),
        (["--votes-url", "nonsense"], "votes_url"),
    ],
)
def test_a_mistake_is_one_line(home: Path, arguments: list[str], line: str) -> None:
    result = CliRunner().invoke(app, ["--home", str(home), *arguments])
    assert result.exit_code == 1
    assert isinstance(result.exception, RostraError)
    assert line in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_folder_that_cannot_be_made_is_one_line(home: Path) -> None:
    (home / "file").touch()
    result = CliRunner().invoke(app, ["--home", str(home), *FEW, "--out", str(home / "file" / "x")])
    assert isinstance(result.exception, RostraError)
    assert "cannot write ratings to" in str(result.exception)


def test_an_anchor_may_have_an_equals_sign_in_its_name() -> None:
    assert parse_anchor("a=b=1100.5") == Anchor(1100.5, "a=b")


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_fits_the_terminal(width: int) -> None:
    posterior = made_up_posterior(np.linspace(2, -2, 30))
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(rating_table(posterior))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert text.count("●") == 30
    assert "…" not in text


def test_the_command_line_starts_without_pymc() -> None:
    code = "import sys, rostra.mesh.cli.rate; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"import json; {code}"], capture_output=True, text=True, check=True
    )
    heavy = {"pymc", "arviz", "numpy", "bokeh", "polars", "sqlalchemy"}
    assert not heavy & set(json.loads(done.stdout))
