"""Cleaned battles as LMSYS publishes them, a JSON array or Parquet.

Made by FastChat's `serve/monitor/clean_battle_data.py`: question_id, model_a, model_b, winner,
judge, turn, anony, language, tstamp; with the conversations also conversation_a and conversation_b
(role, content, num_tokens); in later files conv_metadata (counts of style), category_tag, dedup_tag
and is_code. Their board keeps what is anonymous and sampled by dedup_tag, and so does this.

Tags of categories overlap there. Here a vote has one category, the first that holds of coding,
math, creative_writing, instruction_following, hard (six or more of the seven criteria) and other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rostra.arena.imports import json_lines, parquet
from rostra.arena.imports.errors import ImportFileError
from rostra.arena.imports.json_lines import Record, frame_of
from rostra.arena.imports.normalise import ROW, Raw
from rostra.arena.imports.report import FaultCounter

MARKS = frozenset({"conversation_a", "anony", "dedup_tag", "category_tag", "conv_metadata"})
"""Keys that only these files have."""
KEYS = ("question_id", "model_a", "model_b", "winner", "judge", "judge_hash", "language", "tstamp")
NESTED = ("anony", "conv_metadata", "category_tag", "dedup_tag", "is_code")
CONVERSATIONS = ("conversation_a", "conversation_b")
HARD = 6
SHOWN = "not anonymous"
REPEATED = "not sampled, its question is among the most frequent (dedup_tag)"
_SIDES = (("a", "left"), ("b", "right"))
_SLICE = 20_000


def read(path: Path, *, texts: bool) -> Raw:
    """`texts`: the answers' texts too, where the file has them and not their counts."""
    counter = FaultCounter()
    left_out: dict[str, int] = {}
    rows: list[int] = []
    votes: list[dict[str, str | None]] = []
    wanted = (*KEYS, *NESTED, *(CONVERSATIONS if texts else ()))
    source = (
        records_of_parquet(path, wanted)
        if path.suffix == ".parquet"
        else json_lines.records(path, counter)
    )
    for row, record in source:
        reason = (
            SHOWN
            if record.get("anony") is False
            else REPEATED
            if _at(record, "dedup_tag", "sampled") is False
            else None
        )
        if reason is not None:
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        rows.append(row)
        votes.append(vote_of(record, texts=texts))
    return Raw(frame_of(rows, votes).lazy(), counter.faults(), tuple(left_out.items()))


def records_of_parquet(
    path: Path, wanted: Sequence[str] | None = None
) -> Iterator[tuple[int, Record]]:
    """Rows with their number from 1; `wanted` columns, or all. Raises ImportFileError without the
    contestants and the winner."""
    scan = parquet.scan(path)
    has = scan.collect_schema()
    if missing := [name for name in ("model_a", "model_b", "winner") if name not in has]:
        raise ImportFileError(f"{path} lacks the column {missing[0]}")
    lazy = scan if wanted is None else scan.select(ROW, *(name for name in wanted if name in has))
    for batch in lazy.collect_batches(chunk_size=_SLICE):
        for record in batch.iter_rows(named=True):
            yield record[ROW], record


def vote_of(record: Record, *, texts: bool) -> dict[str, str | None]:
    """What the vote frame holds of a battle, by its columns."""
    vote: dict[str, Any] = {
        "left": record.get("model_a"),
        "right": record.get("model_b"),
        "outcome": record.get("winner"),
        "id": record.get("question_id"),
        "at": record.get("tstamp"),
        "voter": record.get("judge") or record.get("judge_hash"),
        "language": record.get("language"),
        "category": category(record),
    }
    for short, side in _SIDES:
        vote |= _style(record, short, side)
        if texts and (conversation := record.get(f"conversation_{short}")):
            vote[f"text_{side}"] = "\n\n".join(_said(conversation, "assistant"))
            vote["prompt"] = next(iter(_said(conversation, "user")), None)
    return {name: None if value is None else str(value) for name, value in vote.items()}


def category(record: Record) -> str | None:
    """None for a battle without tags."""
    tags = record.get("category_tag")
    code = record.get("is_code")
    if not isinstance(tags, dict):
        return {True: "coding", False: "other"}.get(code) if isinstance(code, bool) else None
    if code or _at(tags, "code_v0.1", "code"):
        return "coding"
    for tag, name in (
        ("math_v0.1", "math"),
        ("creative_writing_v0.1", "creative_writing"),
        ("if_v0.1", "if"),
    ):
        if _at(tags, tag, name):
            return "instruction_following" if name == "if" else name
    criteria = tags.get("criteria_v0.1")
    if isinstance(criteria, dict) and sum(map(bool, criteria.values())) >= HARD:
        return "hard"
    return "other"


def _style(record: Record, short: str, side: str) -> dict[str, int]:
    """Counts of `conv_metadata`, each of several kinds of a thing."""
    found: dict[str, int] = {}
    tokens = _at(record, "conv_metadata", f"sum_assistant_{short}_tokens")
    if isinstance(tokens, int):
        found[f"tokens_{side}"] = tokens
    for name, key in (("headers", "header_count"), ("lists", "list_count"), ("bold", "bold_count")):
        counts = _at(record, "conv_metadata", f"{key}_{short}")
        if isinstance(counts, dict):
            found[f"{name}_{side}"] = sum(count or 0 for count in counts.values())
    return found


def _said(conversation: Any, role: str) -> list[str]:
    said = []
    for message in conversation:
        if isinstance(message, dict) and message.get("role") == role:
            content = message.get("content")
            if isinstance(content, list):  # a question with images: the text comes first
                content = content[0] if content else None
            if isinstance(content, str):
                said.append(content)
    return said


def _at(record: Any, *keys: str) -> Any:
    for key in keys:
        if not isinstance(record, dict):
            return None
        record = record.get(key)
    return record
