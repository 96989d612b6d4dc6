from __future__ import annotations

import json
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as examples
from transfer_battles import battles, give, given, store, take

from benchmarks.vote_round_trips import round_trip
from rostra.arena.votes.log.verify import verify
from rostra.arena.votes.log.verify_file import verify_file

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
ROWS = 60
"""Of each file of real votes; `benchmarks/vote_round_trips.py` takes all."""


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@examples(battles())
def test_battles_of_lmsys_come_back_as_they_were(found: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "in.json").write_text(json.dumps(found), encoding="utf-8")
        with store(place / "1.sqlite") as first, store(place / "2.sqlite") as second:
            imported, refused = take(first, place / "in.json")
            assert (imported.taken, refused) == (len(found), [])
            assert given(first) == found
            give(first, place / "out.json", "lmsys-battles")
            take(second, place / "out.json")
            assert given(second) == found
            assert verify(second).kinds["import"] == len(found)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@examples(battles())
def test_the_log_comes_back_as_it_was_and_verifies(found: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "in.json").write_text(json.dumps(found), encoding="utf-8")
        with store(place / "1.sqlite") as first, store(place / "2.sqlite") as second:
            take(first, place / "in.json")
            assert give(first, place / "log.jsonl", "jsonl").verifiable
            assert verify_file(place / "log.jsonl").entries == len(found)
            take(second, place / "log.jsonl")
            assert given(second) == found


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@examples(battles())
def test_raw_log_lines_come_back_as_they_were(found: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "in.json").write_text(json.dumps(found), encoding="utf-8")
        with store(place / "1.sqlite") as first, store(place / "2.sqlite") as second:
            take(first, place / "in.json")
            give(first, place / "2026-11-23-conv.json", "lmsys-log")
            take(second, place / "2026-11-23-conv.json")
            lines = given(first, "lmsys-log")
            assert given(second, "lmsys-log") == lines
            told = ("question_id", "winner", "model_a", "model_b", "judge", "tstamp", "anony")
            assert [{name: each[name] for name in told} for each in given(second)] == [
                {name: each[name] for name in told} for each in found
            ]


@pytest.mark.parametrize(
    "name",
    [
        "mtbench/human.jsonl",
        "mtbench/gpt4_pair.jsonl",
        "llmfao/gpt4_votes.csv",
        "evalica/food.csv",
    ],
)
def test_real_votes_come_back(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--without-shared-data"):
        pytest.skip("without shared data, as asked")
    source = SHARED_DATA / name
    assert source.is_file(), f"{source} is missing; give --without-shared-data to go without"
    part = tmp_path / source.name
    with source.open(encoding="utf-8") as file:
        part.write_text("".join(islice(file, ROWS)), encoding="utf-8")
    for beside in source.parent.glob("*.jsonl"):
        if beside.name in ("answers.jsonl", "prompts.jsonl"):
            (tmp_path / beside.name).symlink_to(beside)
    for form in ("jsonl", "lmsys-battles", "lmsys-log"):
        trip = round_trip(part, tmp_path, form)
        assert trip.votes > 10
        assert trip.same


def test_flat_forms_give_the_same_votes(tmp_path: Path) -> None:
    part = tmp_path / "votes.csv"
    part.write_text("model_a,model_b,winner,voter\nx,y,model_a,v1\ny,x,tie,v2\nx,z,both_bad,v1\n")
    with store(tmp_path / "1.sqlite") as first:
        take(first, part)
        for form, name in (("parquet", "p.parquet"), ("csv", "c.csv"), ("pairs", "n.json")):
            give(first, tmp_path / name, form)
            with store(tmp_path / f"{form}.sqlite") as second:
                assert take(second, tmp_path / name)[1] == []
                assert given(second, "pairs") == given(first, "pairs")
    flat = pl.read_parquet(tmp_path / "p.parquet")
    assert flat["outcome"].to_list() == ["a", "tie", "both_bad"]
    assert flat["voter"].to_list() == ["v1", "v2", "v1"]
    assert flat["at"].to_list() == [None] * 3
