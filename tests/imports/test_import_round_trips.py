"""Any votes, written in any format, come back as they were."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from vote_files import (
    FASTCHAT,
    battle,
    imported,
    log_line,
    moment,
    votes,
    write_csv,
    write_json_lines,
    write_parquet,
)

from rostra.arena.imports.files import ImportedCounts, read_votes
from rostra.arena.ratings.board import OUTCOMES, Board
from rostra.arena.ratings.reduce import reduce

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffd"),
    min_size=1,
    max_size=12,
).filter(lambda name: name == name.strip() and name.lower() != "nan")
PAIRS = st.tuples(NAMES, NAMES).filter(lambda pair: pair[0] != pair[1])
VOTES = st.lists(
    st.tuples(PAIRS, st.sampled_from(OUTCOMES)).map(lambda vote: (*vote[0], vote[1])),
    min_size=1,
    max_size=8,
)


@settings(max_examples=20, deadline=None)
@given(VOTES)
def test_every_format_gives_the_votes_back(expected: list[tuple[str, str, str]]) -> None:
    plain = [
        {
            "model_a": left,
            "model_b": right,
            "winner": FASTCHAT[outcome],
            "id": str(number),
            "timestamp": moment(number).isoformat(),
            "judge": left,
            "language": right,
        }
        for number, (left, right, outcome) in enumerate(expected)
    ]
    battles = [battle(*vote, number) for number, vote in enumerate(expected)]
    log = [log_line(*vote, number) for number, vote in enumerate(expected)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        array = folder / "array.json"
        array.write_text(json.dumps(battles))
        paths = [
            write_csv(folder / "v.csv", plain),
            write_csv(folder / "v.tsv", plain, "\t"),
            write_json_lines(folder / "v.jsonl", plain),
            write_parquet(folder / "v.parquet", plain),
            write_parquet(folder / "battles.parquet", battles),
            write_json_lines(folder / "battles.json", battles),
            array,
            write_json_lines(folder / "2026-11-22-conv.json", log),
        ]
        board = reduce(frame(expected))
        for path in paths:
            found = imported(path)
            assert found.report.faults == ()
            assert votes(found) == expected, path.name
            times = [at for (at,) in votes(found, "at")]
            assert times == [moment(number) for number in range(len(expected))], path.name
            assert reduce(found.votes).data_hash == board.data_hash
        assert votes(imported(paths[0]), "voter", "language") == [
            (left, right) for left, right, _ in expected
        ]


def frame(rows: list[tuple[str, str, str]]) -> pl.DataFrame:
    schema = {"left": pl.String, "right": pl.String, "outcome": pl.Enum(OUTCOMES)}
    return pl.DataFrame(rows, schema, orient="row")


@settings(max_examples=40, deadline=None)
@given(VOTES)
def test_counts_by_pair_give_the_same_board(rows: list[tuple[str, str, str]]) -> None:
    board = Board.from_comparisons(rows)
    counted = [
        {
            "model_a": board.contestants[left],
            "model_b": board.contestants[right],
            **dict(zip(("win_a", "tie", "win_b", "both_bad"), counts, strict=True)),
        }
        for left, right, counts in zip(
            board.left.tolist(), board.right.tolist(), board.table.tolist(), strict=True
        )
    ]
    with tempfile.TemporaryDirectory() as name:
        found = read_votes(write_csv(Path(name) / "pairs.csv", counted))
    assert isinstance(found, ImportedCounts)
    assert found.report.faults == ()
    assert found.board.data_hash == board.data_hash
    assert found.sided == any((right, left) in {r[:2] for r in rows} for left, right, _ in rows)
