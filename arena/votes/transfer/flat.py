"""One row a vote, without structure: for Parquet and CSV.

Columns have the names by which `rostra rate --votes` knows them. Answers over several turns are
joined with a blank line, as there.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from rostra.arena.tags.precedence import NAMES
from rostra.arena.votes.transfer.lmsys import WINNERS
from rostra.arena.votes.transfer.reading import Voted

ROW_GROUP = 2_000
"""Votes, with their texts, held in memory at a time."""
BETWEEN = "\n\n"
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "voter", "campaign")),
        ("at", pa.timestamp("us", "UTC")),
        *((name, pa.string()) for name in ("contestant_a", "contestant_b", "outcome")),
        ("turns", pa.int32()),
        *((name, pa.string()) for name in NAMES),
        ("policy", pa.string()),
        ("probability", pa.float64()),
        ("tokens_a", pa.int64()),
        ("tokens_b", pa.int64()),
        ("consent_sha256", pa.string()),
        ("voter_groups", pa.list_(pa.string())),
    ]
)
TEXTS = [(name, pa.string()) for name in ("prompt", "text_a", "text_b")]


def write_parquet(file: BinaryIO, rows: Iterable[dict[str, Any]], *, texts: bool) -> None:
    schema = pa.schema([*SCHEMA, *map(pa.field, *zip(*TEXTS, strict=True))]) if texts else SCHEMA
    rows = iter(rows)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while part := list(islice(rows, ROW_GROUP)):
            writer.write_table(pa.Table.from_pylist(part, schema))


def row(found: Voted, voter: str | None, *, texts: bool) -> dict[str, Any]:
    battle, matchmaking = found.battle, found.battle.matchmaking or {}
    flat: dict[str, Any] = {
        "id": found.id,
        "voter": voter,
        "campaign": battle.campaign,
        "at": found.at,
        "contestant_a": battle.contestant_a,
        "contestant_b": battle.contestant_b,
        "outcome": found.vote.outcome,
        "turns": found.vote.turns,
        **found.tags,
        "policy": matchmaking.get("policy"),
        "probability": matchmaking.get("probability"),
        "consent_sha256": battle.consent_sha256 and battle.consent_sha256.hex(),
        # Who is not shown is not shown by these either.
        "voter_groups": battle.voter_groups if voter is not None else None,
    }
    sides = {side: found.answers(side) for side in ("a", "b")}
    for side, answers in sides.items():
        tokens = [None if each is None else each.completion_tokens for each in answers]
        flat[f"tokens_{side}"] = None if not tokens or None in tokens else sum(tokens)
    if texts and found.turns:
        flat["prompt"] = BETWEEN.join(turn.prompt for turn in found.turns)
        for side, answers in sides.items():
            flat[f"text_{side}"] = BETWEEN.join(each.text for each in answers if each is not None)
    return flat


def csv_lines(found: Iterable[Voted], both_bad: str) -> Iterator[bytes]:
    """model_a, model_b, winner, as LMSYS names them."""
    yield _line(["model_a", "model_b", "winner"])
    for each in found:
        outcome = each.vote.outcome
        winner = both_bad if outcome == "both_bad" else WINNERS[outcome]
        yield _line([each.battle.contestant_a, each.battle.contestant_b, winner])


def _line(fields: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(fields)
    return text.getvalue().encode()
