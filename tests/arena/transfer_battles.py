"""Battles of LMSYS as Hypothesis makes them, and stores to take them into."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import Engine

from rostra.arena.votes.database import open_database
from rostra.arena.votes.transfer.export import Exported, Exporter, ExportOptions
from rostra.arena.votes.transfer.importing import Imported, Importer
from rostra.arena.votes.transfer.incoming import NotTaken
from rostra.arena.votes.transfer.sources import source_of

# What no database can hold is replaced on the way in; see rostra.arena.votes.texts.
TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=40)
NAME = st.sampled_from(["gpt-x", "Llama 3 (Q4)", "모델", "a/b:c"])


@st.composite
def battles(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to six, of one to four turns, with different ids."""
    ids = draw(st.lists(st.uuids(version=4), min_size=1, max_size=6, unique=True))
    return [draw(_battle(draw(st.sampled_from([each.hex, str(each)])))) for each in ids]


@st.composite
def _battle(draw: st.DrawFn, question_id: str) -> dict[str, Any]:
    left, right = draw(st.lists(NAME, min_size=2, max_size=2, unique=True))
    prompts = draw(st.lists(TEXT, min_size=1, max_size=4))
    record = {
        "question_id": question_id,
        "model_a": left,
        "model_b": right,
        "winner": draw(st.sampled_from(["model_a", "model_b", "tie", "tie (bothbad)"])),
        "judge": f"arena_user_{draw(st.integers(0, 3))}",
        "turn": len(prompts),
        "anony": draw(st.booleans()),
        "tstamp": draw(st.integers(1_600_000_000, 1_800_000_000)) + 0.25,
        **{f"conversation_{side}": draw(_conversation(prompts)) for side in ("a", "b")},
    }
    extra = {
        "language": "English",
        "is_code": draw(st.booleans()),
        "dedup_tag": {"high_freq": False, "sampled": draw(st.booleans())},
        "conv_metadata": {"header_count_a": {"h1": 2}, "sum_assistant_a_tokens": 7},
        "category_tag": {"if_v0.1": {"if": True, "score": 4}, "math_v0.1": {"math": False}},
    }
    chosen = draw(st.sets(st.sampled_from(sorted(extra))))
    return record | {name: extra[name] for name in chosen}


@st.composite
def _conversation(draw: st.DrawFn, prompts: list[str]) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    for number, prompt in enumerate(prompts):
        said.append({"role": "user", "content": prompt, "num_tokens": number + 1})
        said.append({"role": "assistant", "content": draw(TEXT), "num_tokens": 5})
    return said


@cache
def _empty() -> bytes:
    """A store with no battles; making one takes longer than all else in an example."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.sqlite"
        open_database(f"sqlite:///{path}").dispose()
        return path.read_bytes()


@contextmanager
def store(path: Path) -> Iterator[Engine]:
    path.write_bytes(_empty())
    engine = open_database(f"sqlite:///{path}")
    try:
        yield engine
    finally:
        engine.dispose()


def take(engine: Engine, path: Path, **options: Any) -> tuple[Imported, list[NotTaken]]:
    refused: list[NotTaken] = []
    source = source_of(path, options.pop("format", None))
    return Importer(engine, path, source, refused=refused.append, **options).run(), refused


def give(engine: Engine, path: Path, form: str, **options: Any) -> Exported:
    options = {"identities": "kept"} | options
    with path.open("w+b") as file:
        return Exporter(engine, ExportOptions(form, **options)).write(file)  # type: ignore[arg-type]


def given(engine: Engine, form: str = "lmsys-battles", **options: Any) -> Any:
    """What an export has, parsed: of JSON lines a list."""
    options = {"identities": "kept"} | options
    file = io.BytesIO()
    Exporter(engine, ExportOptions(form, **options)).write(file)  # type: ignore[arg-type]
    text = file.getvalue().decode()
    return (
        [json.loads(line) for line in text.split("\n") if line]
        if form in ("jsonl", "lmsys-log")
        else json.loads(text)
    )
