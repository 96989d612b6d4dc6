from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from vote_files import (
    battle,
    faults,
    imported,
    log_line,
    moment,
    votes,
    write_csv,
    write_json_lines,
    write_parquet,
)

from rostra.arena.imports.errors import ImportFileError
from rostra.arena.imports.files import ImportedCounts, read_votes
from rostra.arena.ratings.reduce import reduce

FOUR = [("x", "y", "a"), ("y", "x", "b"), ("x", "z", "tie"), ("z", "y", "both_bad")]


def test_llmfao(shared_data: Path) -> None:
    found = imported(shared_data / "llmfao" / "votes.csv", texts=True)
    assert found.report.format == "llmfao"
    board = reduce(found.votes, ["category"])
    assert board.table.sum(axis=0).tolist() == [2911, 3471, 2549, 0]
    assert len(board.contestants) == 59
    frame = found.votes.collect()
    assert frame["voter"].n_unique() == 124
    assert frame["prompt"].n_unique() == 13
    assert frame["category"].null_count() == 0
    assert frame["text_left"].null_count() == frame["text_right"].null_count() == 0
    row = frame.row(0, named=True)
    assert (row["left"], row["right"], row["voter"]) == ("Airoboros L2 70B", "Weaver 12k", "58")
    assert row["text_left"].startswith("For Kubernetes, a plea,")


def test_llmfao_without_its_answers_beside_it_has_no_texts(
    tmp_path: Path, shared_data: Path
) -> None:
    path = tmp_path / "votes.csv"
    path.write_bytes((shared_data / "llmfao" / "votes.csv").read_bytes())
    assert imported(path).report.rows_used == 8931
    with pytest.raises(ImportFileError, match=r"answers\.jsonl"):
        read_votes(path, texts=True)


def test_mt_bench(shared_data: Path) -> None:
    found = imported(shared_data / "mtbench" / "human.jsonl")
    assert found.report.format == "mt-bench"
    board = reduce(found.votes, ["category"])
    assert board.table.sum(axis=0).tolist() == [1293, 780, 1282, 0]
    assert len(board.contestants) == 6
    assert board.factors["category"].levels == (
        *("coding", "extraction", "humanities", "math", "reasoning", "roleplay", "stem", "writing"),
    )
    assert found.votes.collect()["voter"].n_unique() == 65


def test_a_verdict_that_changed_with_the_order_is_no_tie(shared_data: Path) -> None:
    found = imported(shared_data / "mtbench" / "gpt4_pair.jsonl")
    assert found.report.rows_read == 2400
    assert faults(found) == {"unknown outcome": (380, [5, 13, 14])}
    assert "tie (inconsistent)" in str(found.report.faults[0])
    assert reduce(found.votes).table.sum(axis=0).tolist() == [190, 220, 1610, 0]


def test_pair_counts(shared_data: Path) -> None:
    found = read_votes(shared_data / "arena_20240814" / "pairs.csv")
    assert isinstance(found, ImportedCounts)
    assert found.report.format == "pairs"
    assert found.board.num_votes == 1_670_250
    assert len(found.board.contestants) == 129
    assert len(found.board.left) == 3460
    assert not found.sided
    baseball = read_votes(shared_data / "baseball.csv")
    assert isinstance(baseball, ImportedCounts)
    assert baseball.sided
    assert len(baseball.board.left) == 42


def test_malformed_pair_counts_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(
        "model_a,model_b,win_a,win_b,tie,both_bad\nx,y,3,1,0,2\nx,x,1,1,0,0\nx,y,-1,0,0,0\n"
        "x,z,1.5,0,0,0\ny,z,,1,0,0\n,z,1,1,0,0\nx,y,1,2,3,4,5\ny,x,1.0,0,0,0\n"
    )
    found = read_votes(path)
    assert isinstance(found, ImportedCounts)
    assert {fault.reason: fault.count for fault in found.report.faults} == {
        "a count that is not a whole number from 0": 3,
        "a contestant against itself": 1,
        "no contestant": 1,
        "more fields than columns": 1,
    }
    assert (found.report.rows_read, found.report.rows_used) == (8, 2)
    assert found.board.table.tolist() == [[3, 0, 1, 2], [1, 0, 0, 0]]


@pytest.mark.parametrize("separator", [",", "\t"])
def test_delimited_votes(tmp_path: Path, separator: str) -> None:
    rows = [
        {"Model A": left, "Model B": right, "Winner": outcome, "Judge": "j", "question_id": 7}
        for left, right, outcome in FOUR
    ]
    path = write_csv(tmp_path / "votes.txt", rows, separator)
    found = imported(path)
    assert found.report.format == ("tsv" if separator == "\t" else "csv")
    assert votes(found) == FOUR
    assert votes(found, "voter", "prompt") == [("j", "7")] * 4


@pytest.mark.parametrize(
    ("label", "outcome"),
    [
        *((label, "a") for label in ("model_a", "left", "a", "A", " Model_A ")),
        *((label, "b") for label in ("model_b", "right", "b")),
        *((label, "tie") for label in ("tie", "draw", "Tie")),
        *((label, "both_bad") for label in ("tie (bothbad)", "both_bad", "bothbad", "Both bad")),
    ],
)
def test_every_spelling_of_an_outcome(tmp_path: Path, label: str, outcome: str) -> None:
    path = write_csv(tmp_path / "v.csv", [{"left": "x", "right": "y", "winner": label}])
    assert votes(imported(path)) == [("x", "y", outcome)]


def test_outcomes_in_three_columns(tmp_path: Path) -> None:
    flags = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 0, 0)]
    keys = ("winner_model_a", "winner_model_b", "winner_tie")
    rows = [
        {"model_a": "x", "model_b": "y", **dict(zip(keys, flag, strict=True))} for flag in flags
    ]
    for path in (
        write_csv(tmp_path / "v.csv", rows),
        write_json_lines(tmp_path / "v.jsonl", rows),
        write_parquet(tmp_path / "v.parquet", rows),
    ):
        found = imported(path)
        assert [outcome for *_, outcome in votes(found)] == ["a", "b", "tie"]
        assert faults(found) == {"unknown outcome": (2, [4, 5])}


def test_the_raw_log_takes_the_true_names_and_what_was_anonymous(tmp_path: Path) -> None:
    lines = [
        log_line("x", "y", "a", 0),
        {"tstamp": 1.0, "type": "chat", "model": "x", "state": {}, "ip": "192.0.2.1"},
        log_line("y", "x", "tie", 1, models=["Model A", "Model B"]),
        log_line("x", "y", "b", 2, models=["x", "y"]),
        log_line("x", "y", "b", 3, models=["<h3>Model A: x</h3>", "<h3>Model B: y</h3>"]),
        {"tstamp": 1.0, "type": "leftvote", "models": ["", ""], "ip": "192.0.2.1"},
        log_line("y", "z", "both_bad", 4),
        {"tstamp": 1.0, "type": "earthquake"},
    ]
    found = imported(write_json_lines(tmp_path / "2026-11-22-conv.json", lines), texts=True)
    assert found.report.format == "lmsys-log"
    assert votes(found) == [("x", "y", "a"), ("y", "x", "tie"), ("y", "z", "both_bad")]
    assert votes(found, "id", "at", "prompt", "text_left")[0] == (
        "c0",
        moment(0),
        "Why?",
        "Because.",
    )
    assert votes(found, "voter") == [("voter-1",), ("voter-2",), ("voter-2",)]
    assert dict(found.report.left_out) == {
        "a line of another kind than a vote on a pair": 1,
        "voted on after the names were shown": 2,
    }
    assert faults(found) == {
        "a vote without models or states": (1, [6]),
        "unknown type": (1, [8]),
    }
    assert (found.report.rows_read, found.report.rows_used) == (8, 3)


STYLE = {
    "sum_assistant_a_tokens": 100,
    "sum_assistant_b_tokens": 50,
    "header_count_a": {"h1": 1, "h2": 2},
    "header_count_b": {"h1": 0, "h2": 0},
    "list_count_a": {"ordered": 4, "unordered": 5},
    "list_count_b": {"ordered": 0, "unordered": 1},
    "bold_count_a": {"**": 3, "__": 1},
    "bold_count_b": {"**": 0, "__": 0},
}
HARD = dict.fromkeys("abcdefg", True)


def talk(answer: str) -> list[dict]:
    said = [("user", "Why?"), ("assistant", answer), ("user", "Really?"), ("assistant", "Yes.")]
    return [{"role": role, "content": content, "num_tokens": 3} for role, content in said]


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_cleaned_battles(tmp_path: Path, kind: str) -> None:
    tags = {"criteria_v0.1": dict.fromkeys("abcdefg", False), "math_v0.1": {"math": False}}
    rows = [
        battle(
            "x",
            "y",
            "a",
            0,
            conv_metadata=STYLE,
            category_tag={**tags, "math_v0.1": {"math": True}},
        ),
        battle("y", "x", "both_bad", 1, conv_metadata=STYLE, category_tag=tags),
        battle("y", "x", "tie", 2, anony=False, conv_metadata=STYLE, category_tag=tags),
        battle("y", "x", "b", 3, conv_metadata=STYLE, category_tag={**tags, "criteria_v0.1": HARD}),
        battle("y", "x", "b", 4, conv_metadata=STYLE, category_tag=tags),
    ]
    for number, row in enumerate(rows):
        row["dedup_tag"] = {"high_freq": number == 4, "sampled": number != 4}
        row["conversation_a"], row["conversation_b"] = talk("# One"), talk("Two")
    path = tmp_path / f"battles.{kind}"
    if kind == "json":
        path.write_text(json.dumps(rows))
    else:
        write_parquet(path, rows)
    found = imported(path, texts=True)
    assert found.report.format == "lmsys-battles"
    assert votes(found) == [("x", "y", "a"), ("y", "x", "both_bad"), ("y", "x", "b")]
    assert votes(found, "id", "at", "voter", "language", "category", "prompt") == [
        ("q0", moment(0), "arena_user_0", "English", "math", "Why?"),
        ("q1", moment(1), "arena_user_1", "English", "other", "Why?"),
        ("q3", moment(3), "arena_user_0", "English", "hard", "Why?"),
    ]
    assert sum(count for _, count in found.report.left_out) == 2
    first = found.votes.collect().row(0, named=True)
    assert (first["text_left"], first["text_right"]) == ("# One\n\nYes.", "Two\n\nYes.")
    assert (first["tokens_left"], first["tokens_right"]) == (100, 50)
    assert (first["headers_left"], first["lists_left"], first["bold_left"]) == (3, 9, 4)
    board = reduce(found.votes.with_columns(pl_length()), style=["length"], bins=None)
    assert np.all(np.isfinite(board.covariates["length"]))


def pl_length():
    """Lengths that differ from vote to vote."""
    import polars as pl

    return pl.Series("tokens_left", [100, 20, 60], dtype=pl.Int64)


def test_an_old_array_of_battles_without_conversations(tmp_path: Path) -> None:
    path = tmp_path / "clean_battle_20230717.json"
    path.write_text(json.dumps([battle(*vote, number) for number, vote in enumerate(FOUR)]))
    found = imported(path)
    assert found.report.format == "lmsys-battles"
    assert votes(found) == FOUR
