"""Vote files of every format, made from one list of votes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from rostra.arena.imports.files import ImportedVotes, read_votes

CSV = "model_a,model_b,winner\n"
FASTCHAT = {"a": "model_a", "b": "model_b", "tie": "tie", "both_bad": "tie (bothbad)"}
LOG_TYPES = {"a": "leftvote", "b": "rightvote", "tie": "tievote", "both_bad": "bothbad_vote"}


def imported(path: Path, format: str | None = None, texts: bool = False) -> ImportedVotes:
    found = read_votes(path, format, texts=texts)  # type: ignore[arg-type]
    assert isinstance(found, ImportedVotes)
    return found


def votes(found: ImportedVotes, *columns: str) -> list[tuple[Any, ...]]:
    return found.votes.select(columns or ("left", "right", "outcome")).collect().rows()


def faults(found: ImportedVotes) -> dict[str, tuple[int, list[int]]]:
    """By reason: how many rows, and which are named."""
    return {
        fault.reason: (fault.count, [example.row for example in fault.examples])
        for fault in found.report.faults
    }


def write_csv(path: Path, rows: Sequence[dict[str, Any]], separator: str = ",") -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    return path


def write_json_lines(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
    return path


def state(model: str, question: str = "Why?", answer: str = "Because.", conv: str = "c0") -> dict:
    return {
        "template_name": "raw",
        "roles": ["USER", "ASSISTANT"],
        "messages": [["USER", question], ["ASSISTANT", answer]],
        "offset": 0,
        "conv_id": conv,
        "model_name": model,
    }


def log_line(left: str, right: str, outcome: str, number: int, **changed: Any) -> dict:
    """A vote as FastChat logs it."""
    return {
        "tstamp": 1_700_000_000.5 + number,
        "type": LOG_TYPES[outcome],
        "models": ["", ""],
        "states": [state(left, conv=f"c{number}"), state(right, conv=f"d{number}")],
        "ip": f"192.0.2.{number % 3}",
        **changed,
    }


def battle(left: str, right: str, outcome: str, number: int, **changed: Any) -> dict:
    """A cleaned battle as LMSYS publishes it."""
    return {
        "question_id": f"q{number}",
        "model_a": left,
        "model_b": right,
        "winner": FASTCHAT[outcome],
        "judge": f"arena_user_{number % 3}",
        "turn": 1,
        "anony": True,
        "language": "English",
        "tstamp": 1_700_000_000.5 + number,
        **changed,
    }


def moment(number: int) -> datetime:
    return datetime.fromtimestamp(1_700_000_000.5 + number, UTC)
