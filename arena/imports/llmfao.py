"""LLMFAO's votes (https://github.com/dustalov/llmfao): `votes.csv` and what lies beside it.

Columns id (of the pair of answers, so it repeats), prompt, model_x and model_y (numbers), worker,
winner (left, right, tie), left and right (names of model_x and model_y). `answers.jsonl` has the
answers by model and prompt, `prompts.jsonl` the kind of each question, which becomes the category.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from rostra.arena.imports import delimited
from rostra.arena.imports.errors import ImportFileError
from rostra.arena.imports.normalise import ROW, Raw

HEADINGS = {"id", "prompt", "model_x", "model_y", "winner", "left", "right"}
"""`worker` is absent from the votes of one judge."""
ANSWERS = "answers.jsonl"
PROMPTS = "prompts.jsonl"


def read(path: Path, *, texts: bool) -> Raw:
    """`texts`: the answers' texts too. Raises ImportFileError when they are not beside the file."""
    raw = delimited.read_table(path, ",")
    has = raw.rows.collect_schema()
    if missing := sorted(HEADINGS - set(has)):
        raise ImportFileError(f"{path} lacks the columns {', '.join(missing)} of LLMFAO's votes")
    names = {"left": "left", "right": "right", "outcome": "winner", "prompt": "prompt"}
    names |= {"voter": "worker"} if "worker" in has else {}
    rows = raw.rows.select(
        ROW, "model_x", "model_y", *(pl.col(name).alias(column) for column, name in names.items())
    )
    if (path.parent / PROMPTS).is_file():
        prompts = _beside(path, PROMPTS).select(
            prompt=pl.col("id").cast(pl.String), category=pl.col("type").cast(pl.String)
        )
        rows = rows.join(
            prompts.unique("prompt").lazy(), on="prompt", how="left", maintain_order="left"
        )
    if texts:
        answers = _beside(path, ANSWERS).select(
            pl.col("model", "prompt").cast(pl.String), text=pl.col("result").cast(pl.String)
        )
        answers = answers.unique(["model", "prompt"])
        for model, column in (("model_x", "text_left"), ("model_y", "text_right")):
            found = answers.lazy().rename({"model": model, "text": column})
            rows = rows.join(found, on=[model, "prompt"], how="left", maintain_order="left")
    return Raw(rows.drop("model_x", "model_y"), raw.faults)


def _beside(path: Path, name: str) -> pl.DataFrame:
    try:
        return pl.read_ndjson(path.parent / name)
    except (PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ImportFileError(f"cannot read {path.parent / name}: {reason}") from None
