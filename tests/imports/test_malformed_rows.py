from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from vote_files import CSV, faults, imported, votes, write_csv, write_json_lines, write_parquet

from rostra.arena.imports import delimited
from rostra.arena.imports.errors import ImportFileError
from rostra.arena.imports.files import read_votes
from rostra.arena.imports.normalise import UNREADABLE

GOOD = ("x", "y", "a")


def csv_file(tmp_path: Path, *lines: str, head: str = CSV) -> Path:
    path = tmp_path / "votes.csv"
    path.write_bytes((head + "".join(line + "\n" for line in lines)).encode("latin-1"))
    return path


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("x,y,maybe", "unknown outcome"),
        ("x,y,tie (inconsistent)", "unknown outcome"),
        ("x,y,0", "unknown outcome"),
        ("x,y,", "no outcome"),
        ("x,y,NaN", "no outcome"),
        ("x,y", "no outcome"),
        (",y,model_a", "no contestant on the left"),
        ("nan,y,model_a", "no contestant on the left"),
        ("x, ,model_a", "no contestant on the right"),
        ("x, x ,tie", "a contestant against itself"),
        ("x,y,model_a,extra", "more fields than columns"),
        ('"x,y,model_a', "a quote that is not closed or not doubled"),
        ('"x"x,y,model_a', "a quote that is not closed or not doubled"),
        ("x\xff,y,model_a", UNREADABLE),
        ("x\x07,y,model_a", UNREADABLE),
        ('"x\nz",y,model_a', UNREADABLE),
        ("x" * 201 + ",y,model_a", "a name longer than 200 characters"),
        ("x" * 300_000 + ",y,model_a", "a name longer than 200 characters"),
    ],
)
def test_one_bad_row_is_named_and_the_rest_is_rated(tmp_path: Path, line: str, reason: str) -> None:
    path = csv_file(tmp_path, "x,y,model_a", line, "x,y,model_a")
    found = imported(path)
    assert votes(found) == [GOOD, GOOD]
    assert faults(found) == {reason: (1, [2])}
    assert (found.report.rows_read, found.report.rows_used, found.report.malformed) == (3, 2, 1)
    assert all(len(str(fault)) < 200 for fault in found.report.faults)


def test_all_are_counted_and_three_are_named(tmp_path: Path) -> None:
    path = csv_file(tmp_path, *["x,y,model_a", "x,y,who", "x,x,tie"] * 50)
    found = imported(path)
    assert faults(found) == {
        "unknown outcome": (50, [2, 5, 8]),
        "a contestant against itself": (50, [3, 6, 9]),
    }
    assert str(found.report.faults[1]).startswith("50 × unknown outcome (row 2: who; row 5: who")
    assert len(votes(found)) == 50


def test_blank_lines_count_for_nothing(tmp_path: Path) -> None:
    found = imported(csv_file(tmp_path, "x,y,model_a", "", "", "x,y,model_a", ""))
    assert (found.report.rows_read, len(votes(found))) == (2, 2)


def test_after_a_broken_quote_the_next_line_counts(tmp_path: Path) -> None:
    """It would otherwise take all that follows into one field."""
    rows = ["x,y,model_a", '"x,y,model_a', *["x,y,model_a"] * 3000, 'x,"y,tie', "x,y,model_a"]
    found = imported(csv_file(tmp_path, *rows))
    assert len(votes(found)) == 3002
    assert faults(found) == {"a quote that is not closed or not doubled": (2, [2, 3003])}


def test_what_polars_refuses_is_read_in_blocks_with_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "AT_ONCE", 2)
    rows = [
        "x,y,model_a",
        "",
        '"p, q",y,tie',
        'in "the" middle,y,model_b',
        "x,y,model_a,extra",
        ",,",
        "x,y",
        '"say ""hi""",y,model_a',
        '"broken,y,model_a',
        "z,y,model_b",
    ]
    found = imported(csv_file(tmp_path, *rows))
    assert votes(found) == [
        GOOD,
        ("p, q", "y", "tie"),
        ('in "the" middle', "y", "b"),
        ('say "hi"', "y", "a"),
        ("z", "y", "b"),
    ]
    assert faults(found) == {
        "more fields than columns": (1, [5]),
        "no outcome": (1, [7]),
        "a quote that is not closed or not doubled": (1, [9]),
    }


def test_of_an_id_that_repeats_the_first_good_row_stands(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        *("1,x,y,who", "1,x,y,model_a", "1,x,y,model_b", "2,x,y,tie", ",x,y,tie", ",x,y,tie"),
        head="id," + CSV,
    )
    found = imported(path)
    assert [outcome for *_, outcome in votes(found)] == ["a", "tie", "tie", "tie"]
    assert faults(found) == {"unknown outcome": (1, [1]), "id of an earlier row": (1, [3])}


@pytest.mark.parametrize(
    ("times", "bad"),
    [
        (["2026-11-22T10:00Z", "2026-11-22T10:00+02:00", "1700000000"], {}),
        (["2026-11-22", "2026-11-22 10:00:00.5", ""], {}),
        (
            ["2026-11-22T10:00Z", "2026-11-22T10:00", "2026-11-22"],
            {"a time without its zone, where other rows name theirs": (2, [2, 3])},
        ),
        (["yesterday", "2026-13-01", "2026-11-22"], {"unreadable time": (2, [1, 2])}),
    ],
)
def test_times(tmp_path: Path, times: list[str], bad: dict) -> None:
    path = csv_file(tmp_path, *(f"x,y,tie,{each}" for each in times), head=CSV[:-1] + ",tstamp\n")
    found = imported(path)
    assert faults(found) == bad
    assert len(votes(found)) == 3 - sum(count for count, _ in bad.values())


def test_what_times_mean(tmp_path: Path) -> None:
    times = {
        "2026-11-22T10:15:30.25+01:00": "2026-11-22T09:15:30.250000+00:00",
        "2026-11-22 10:15 -0330": "2026-11-22T13:45:00+00:00",
        "2026-11-22T10:15:00,5Z": "2026-11-22T10:15:00.500000+00:00",
        "1700000000": "2023-11-14T22:13:20+00:00",
        "1700000000123": "2023-11-14T22:13:20.123000+00:00",
        "1.7e9": "2023-11-14T22:13:20+00:00",
    }
    path = write_json_lines(
        tmp_path / "v.jsonl", [{"left": "x", "right": "y", "winner": "a", "at": at} for at in times]
    )
    assert [at.isoformat() for (at,) in votes(imported(path), "at")] == list(times.values())


def test_lines_that_are_no_json_objects(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    good = json.dumps({"left": "x", "right": "y", "winner": "left"}).encode()
    path.write_bytes(
        b"\n".join(
            [
                b"\xef\xbb\xbf" + good,
                b'{"left": "x"',
                b"[1]",
                b'{"left":"\xff"}',
                b"",
                good,
                b'{"left": NaN}',
            ]
        )
    )
    found = imported(path)
    assert votes(found) == [GOOD, GOOD]
    assert faults(found) == {
        "not valid JSON in UTF-8": (3, [2, 4, 7]),
        "not a JSON object": (1, [3]),
    }


def test_values_of_odd_types_are_no_votes(tmp_path: Path) -> None:
    rows = [{"left": "x", "right": "y", "winner": winner} for winner in ("a", None, 1, True, ["a"])]
    found = imported(write_json_lines(tmp_path / "v.jsonl", rows))
    assert votes(found) == [GOOD]
    assert faults(found) == {"no outcome": (1, [2]), "unknown outcome": (3, [3, 4, 5])}


def test_not_a_number_in_parquet(tmp_path: Path) -> None:
    rows = [
        {"left": "x", "right": "y", "winner": "a", "tokens_a": 5.0},
        {"left": None, "right": "y", "winner": "a", "tokens_a": math.nan},
        {"left": "x", "right": "y", "winner": "a", "tokens_a": math.nan},
    ]
    found = imported(write_parquet(tmp_path / "v.parquet", rows))
    assert votes(found, "left", "tokens_left") == [("x", 5), ("x", None)]
    assert faults(found) == {"no contestant on the left": (1, [2])}


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("v.csv", b"", "is empty"),
        ("v.csv", b"\n\n", "is empty"),
        ("v.csv", b"cited,citing,Freq\na,b,3\n", "is in no known format: its columns are cited"),
        ("v.csv", b"model_a,winner\na,b\n", "no column for right among model_a, winner"),
        ("v.csv", b"model_a,left,model_b,winner\na,a,b,a\n", "left could be any of the columns"),
        ("v.csv", b"left,left,right,winner\na,a,b,a\n", "has two columns 'left'"),
        ("v.csv", b"model_a,model_b,win_a,win_b,winner\na,b,1,2,a\n", "could be votes or counts"),
        ("v.csv", "left,right,winner\nx,y,a\n".encode("utf-16"), "is not UTF-8 text"),
        ("v.json", b'[{"left": "x", "right": "y", "winner": "a"},', "is it cut off?"),
        ("v.json", b'{"colour": "red"}\n', "no known format: its keys are colour"),
        ("v.json", b"{}\n", "no known format: its keys are none"),
        ("v.parquet", b"PAR1", "cannot be read as Parquet"),
        ("missing.csv", None, "is not a file"),
    ],
)
def test_a_file_that_is_no_votes_is_one_line(
    tmp_path: Path, name: str, content: bytes | None, line: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ImportFileError) as refused:
        read_votes(tmp_path / name)
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)
    assert str(tmp_path / name) in str(refused.value)


def test_a_format_that_does_not_fit_or_does_not_exist(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "v.csv", [{"left": "x", "right": "y", "winner": "a"}])
    with pytest.raises(ImportFileError, match="there is no format 'cvs'"):
        read_votes(path, "cvs")  # type: ignore[arg-type]
    with pytest.raises(ImportFileError, match="pair counts have model_a"):
        read_votes(path, "pairs")
    for wrong in ("llmfao", "lmsys-battles", "parquet", "jsonl", "mt-bench", "lmsys-log"):
        with pytest.raises(ImportFileError):
            read_votes(path, wrong)  # type: ignore[arg-type]
