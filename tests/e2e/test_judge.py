"""A random tiny model answers, judges and grades through the real gateway and a real worker: what
it says is noise, and every verdict is one all the same, by the grammar."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.local import READY, rostra_up
from benchmarks.tiny_model import save_tiny_model
from rostra.arena.judge.reply import SCORES
from rostra.arena.votes.database import open_database
from rostra.arena.votes.log.verify import verify

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

WORKER = """
[[worker]]
model = "{model}"
name = "tiny"
dtype = "float32"
max_num_seqs = 8
kv_cache_bytes = 33554432
"""
WHO = """
[arena]
gateway_url = "{url}"

[[contestant]]
name = "one"
model = "tiny"
sampling = {{ temperature = 1, seed = 1, max_tokens = 8 }}

[[contestant]]
name = "two"
model = "tiny"
sampling = {{ temperature = 1, seed = 2, max_tokens = 8 }}

[[judge]]
name = "noise"
model = "tiny"
reason_chars = 20
sampling = {{ temperature = 1, seed = 3, max_tokens = 200 }}
"""
PROMPTS = [
    {"question_id": "fox", "turns": ["the quick brown fox", "jumps over"]},
    {"question_id": "dog", "turns": ["the lazy dog"], "reference": ["the dog"]},
]


def rostra(*arguments: object) -> str:
    command = [sys.executable, "-m", "rostra.mesh.cli.main", "judge", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_random_model_gives_verdicts_and_nothing_else(tmp_path: Path) -> None:
    model, home, run = tmp_path / "model", tmp_path / "home", tmp_path / "run"
    save_tiny_model(model)
    (tmp_path / "up.toml").write_text(WORKER.format(model=model))
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps(each) + "\n" for each in PROMPTS))
    with rostra_up("--home", str(home), "--no-arena", "-c", str(tmp_path / "up.toml")) as up:
        up.wait_for(READY)
        config = tmp_path / "who.toml"
        config.write_text(WHO.format(url=up.api))
        where = ("-c", config, "--home", home)
        assert "answers: 6 now" in rostra("run", run, prompts, *where)
        assert "comparisons by noise: 6 now" in rostra("pairs", run, *where)
        assert "grades by noise: 6 now" in rostra("grade", run, *where)
        report = json.loads(rostra("report", run, "--output", "json", *where))
    (judge,) = report["judges"]
    assert (judge["verdicts"], judge["nonsense"], judge["refused"], judge["pairs"]) == (12, 0, 0, 3)
    # Its own model is what it judges.
    assert judge["own"] == 12
    assert judge["completion_tokens"] > 0
    verdicts = [json.loads(line) for line in (run / "verdicts.jsonl").read_text().splitlines()]
    assert all(len(each.get("reason", "")) <= 20 for each in verdicts)
    assert all(each["score"] in SCORES for each in verdicts if each["kind"] == "grade")
    engine = open_database(f"sqlite:///{home / 'data' / 'votes.sqlite3'}")
    assert verify(engine).kinds["import"] == 3
    engine.dispose()
