"""Judgements of MT-bench answers (lmsys/mt_bench_human_judgments), JSON lines.

Keys judge, model_a, model_b, question_id, turn, winner (model_a, model_b, tie), and in the full
data set conversation_a and conversation_b. The questions 81 to 160 are ten of each of eight kinds,
which become the category. GPT-4's file has a further winner, "tie (inconsistent)": its verdict
changed with the order of the answers. That is no outcome of a vote and is reported as unknown.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from rostra.arena.imports import json_lines
from rostra.arena.imports.normalise import Raw

KEYS = {"judge", "model_a", "model_b", "question_id", "turn", "winner"}
KINDS = (
    *("writing", "roleplay", "reasoning", "math"),
    *("coding", "extraction", "stem", "humanities"),
)
FIRST, EACH = 81, 10


def read(path: Path, *, texts: bool) -> Raw:
    """As JSON lines, and the category of each question."""
    raw = json_lines.read(path, texts=texts)
    kind = (pl.col("prompt").cast(pl.Int64, strict=False) - FIRST) // EACH
    categories = dict(enumerate(KINDS))
    category = kind.replace_strict(categories, default=None, return_dtype=pl.String)
    return Raw(raw.rows.with_columns(category=category), raw.faults)
