from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner, Result

from rostra.arena.contestant import Contestant
from rostra.arena.matchmaking import Pair
from rostra.arena.ratings import audit as probes
from rostra.arena.ratings import description
from rostra.arena.ratings.board import OUTCOMES
from rostra.arena.ratings.diagnostics import Diagnostics
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.reduce import reduce
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec
from rostra.arena.votes.records import EndedAnswer
from rostra.arena.votes.store import VoteStore
from rostra.mesh.cli.audit import audit
from rostra.mesh.errors import RostraError

NAMES = ("ant", "bee", "cat", "dog")
STRENGTHS = np.array([2.4, 0.8, -0.8, -2.4])

app = typer.Typer()
app.command()(audit)


def votes(number: int = 4000, voters: int = 100, seed: int = 0) -> pl.DataFrame:
    """Far apart, sides at random; a vote a minute over some days from a Sunday on."""
    rng = np.random.default_rng(seed)
    left = rng.integers(0, 4, number)
    right = (left + rng.integers(1, 4, number)) % 4
    wins = rng.random(number) < 1 / (1 + np.exp(STRENGTHS[right] - STRENGTHS[left]))
    outcome = np.where(rng.random(number) < 0.1, 1, np.where(wins, 0, 2))
    start = datetime(2026, 11, 15, 12, tzinfo=UTC)
    return pl.DataFrame(
        {
            "left": [NAMES[i] for i in left],
            "right": [NAMES[i] for i in right],
            "outcome": [OUTCOMES[i] for i in outcome],
            "voter": [f"v{i}" for i in rng.integers(0, voters, number)],
            "at": [start + timedelta(minutes=i) for i in range(number)],
        }
    )


def posterior(frame: pl.DataFrame, sd: float = 0.05) -> Posterior:
    """As sure as `sd` of the strengths that the votes were drawn from."""
    rng = np.random.default_rng(1)
    strengths = STRENGTHS + sd * rng.normal(size=(2, 500, 4))
    return Posterior(
        draws={
            "strength": strengths - strengths.mean(axis=-1, keepdims=True),
            "scale": np.full((2, 500), 1.5),
            "side": rng.normal(0.0, 0.01, size=(2, 500)),
            "tie": rng.normal(-1.0, 0.05, size=(2, 500)),
        },
        board=reduce(frame.with_columns(pl.col("outcome").cast(pl.Enum(OUTCOMES)))),
        spec=ModelSpec(),
        settings=FitSettings(),
        diagnostics=Diagnostics(1.0, 1000.0, 1000.0, 0, ()),
        provenance=Provenance(),
        versions={"rostra": "0"},
        created=datetime(2026, 11, 22, tzinfo=UTC),
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With a saved result of `votes.csv`, which lies beside."""
    frame = votes()
    frame.write_csv(tmp_path / "votes.csv")
    posterior(frame).save(tmp_path / "data" / "ratings")
    return tmp_path


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), *arguments])


def latest(home: Path) -> Path:
    ratings = home / "data" / "ratings"
    return ratings / (ratings / "latest").read_text().strip()


def verdicts(folder: Path) -> dict[str, str]:
    found = probes.load(folder)
    assert found is not None
    return {finding.name: finding.verdict for finding in found}


def test_a_clean_result(home: Path) -> None:
    result = run(home)
    assert result.exit_code == 0, result.output
    found = verdicts(latest(home))
    assert list(found) == [module.__name__.rpartition(".")[2] for module in probes.PROBES]
    assert {name for name, verdict in found.items() if verdict == "cannot tell"} == {
        "intransitivity",
        "clustering",
        "voter_influence",
        "drift",
    }
    assert set(found.values()) == {"pass", "cannot tell"}
    assert "The votes separate 3 of 3 neighbours" in result.output
    assert "audit.json" in result.output.replace("\n", "")


def test_the_votes_tell_more(home: Path) -> None:
    result = run(home, "--votes", str(home / "votes.csv"))
    assert result.exit_code == 0, result.output
    found = verdicts(latest(home))
    assert {name for name, verdict in found.items() if verdict != "pass"} == {"intransitivity"}


def test_findings_as_json_and_by_exit_code(home: Path) -> None:
    posterior(votes(200), sd=2.0).save(home / "data" / "ratings")
    for fail_on, code in (("warning", 1), ("never", 0)):
        result = run(home, "--output", "json", "--fail-on", fail_on)
        assert result.exit_code == code, result.output
    document = json.loads(result.stdout)
    assert document["result"] == str(latest(home))
    assert (document["votes"], document["contestants"]) == (200, 4)
    saved = json.loads((latest(home) / "audit.json").read_text())
    assert saved == document["findings"]
    assert {"name", "verdict", "sentence", "numbers", "details"} == set(saved[0])
    assert document["sentences"][0] == saved[0]["sentence"]


def test_a_named_result_is_not_of_other_votes(home: Path) -> None:
    votes(100).write_csv(home / "other.csv")
    result = run(home, str(latest(home)), "--votes", str(home / "other.csv"))
    assert isinstance(result.exception, RostraError)
    assert "is not of these votes: it has 4,000, they are 100" in str(result.exception)


def test_a_result_of_an_older_version_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(description, "FORMAT", description.FORMAT - 1)
        posterior(votes(100)).save(home / "data" / "ratings")
    error = run(home).exception
    assert isinstance(error, RostraError)
    assert f"{latest(home)} was made by an older version of Rostra" in str(error)
    assert "run `rostra rate` again" in str(error)


def test_votes_cast_since_do_not_hide_those_behind_the_result(home: Path) -> None:
    frame = votes()
    earlier = frame[:3000]
    rated = posterior(earlier)
    times = Provenance(
        first_vote=earlier["at"].min().isoformat(), last_vote=earlier["at"].max().isoformat()
    )
    replace(rated, provenance=times).save(home / "data" / "ratings")
    result = run(home, "--votes", str(home / "votes.csv"), "--output", "json")
    document = json.loads(result.stdout)
    assert document["result"] == str(latest(home))
    assert (document["votes"], document["notes"]) == (3000, [])
    found = {finding["name"]: finding for finding in document["findings"]}
    assert found["clustering"]["numbers"]["voters"] == 100


def test_the_arenas_own_store_is_looked_at_when_it_is_of_the_result(home: Path) -> None:
    store = VoteStore(f"sqlite:///{home / 'data' / 'votes.sqlite3'}")
    for left, right, outcome in votes(60).select("left", "right", "outcome").iter_rows():
        pair = Pair(*(Contestant(name=name, model="model") for name in (left, right)))
        ticket = store.open_battle(pair, "Why?", f"192.0.2.{len(left + right)}")
        answer = EndedAnswer("So.", 1.0, finish_reason="stop")
        for side in ("a", "b"):
            store.end_answer(ticket.battle_id, 0, side, answer)
        store.vote(ticket, outcome)
    store.close()
    assert "not those of the result" in run(home).output
    posterior(votes(60)).save(home / "data" / "ratings")
    result = run(home, "--output", "json")
    found = {finding["name"]: finding for finding in json.loads(result.stdout)["findings"]}
    assert found["voter_influence"]["numbers"] == {"voters": 1}


def test_votes_that_no_result_is_of_are_rated_for_the_audit(home: Path) -> None:
    votes(500, seed=5).write_csv(home / "other.csv")
    before = latest(home)
    result = run(home, "--votes", str(home / "other.csv"), "--output", "json")
    document = json.loads(result.stdout)
    assert (document["result"], document["votes"]) == (None, 500)
    assert "they were rated for this audit, and nothing was saved" in document["notes"][-1]
    assert latest(home) == before
    assert not (before / "audit.json").exists()


def test_a_file_is_read_in_the_format_that_is_named(home: Path) -> None:
    (home / "votes.csv").rename(home / "votes.txt")
    result = run(home, "--votes", str(home / "votes.txt"), "--format", "csv")
    assert result.exit_code == 0, result.output
    assert verdicts(latest(home))["clustering"] == "pass"


@pytest.mark.parametrize("saved", [True, False])
def test_malformed_rows_are_told_or_refused(home: Path, saved: bool) -> None:
    number = 4000 if saved else 3000
    text = votes(number, seed=0 if saved else 5).write_csv() + "ant,bee,perhaps,v1,\n"
    (home / "bad.csv").write_text(text)
    result = run(home, "--votes", str(home / "bad.csv"), "--output", "json", "--fail-on", "never")
    assert result.exit_code == 3, result.output
    document = json.loads(result.stdout)
    assert document["votes"] == number
    assert (document["result"] is not None) == saved
    assert any("perhaps" in note for note in document["notes"])
    refused = run(home, "--votes", str(home / "bad.csv"), "--strict")
    assert isinstance(refused.exception, RostraError)
    assert "--strict refuses" in str(refused.exception)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "no ratings in"),
        (["nowhere"], "no ratings in nowhere"),
        (["--votes", "a.csv", "--votes-url", "sqlite:///a"], "give one"),
        (["--votes", "nowhere.csv"], "nowhere.csv is not a file"),
        (["--strict"], "--strict is for a file of votes"),
        (["--votes", "a.csv", "--format", "cvs"], "there is no format 'cvs'"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: list[str], line: str) -> None:
    result = run(tmp_path, *arguments)
    assert isinstance(result.exception, RostraError)
    assert line in str(result.exception)
    assert "\n" not in str(result.exception)


def test_the_command_line_starts_without_numpy() -> None:
    code = "import json, sys, rostra.mesh.cli.audit; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pymc", "arviz", "numpy", "polars"} & set(json.loads(done.stdout))
