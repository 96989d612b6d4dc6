"""The first page's figures are those of the committed results."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pages import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results"
# What a row of the table is about: the file of results, its peer, the figure.
ROWS = {
    "vLLM for CPUs, threads set by hand": (
        "peers-vllm-cpu",
        "vllm-cpu-all-cores",
        "req_per_s_ratio",
    ),
    "vLLM for CPUs, as it starts": ("peers-vllm-cpu", "vllm-cpu", "req_per_s_ratio"),
    "FastChat": ("peers-fastchat-cpu", "fastchat", "req_per_s_ratio"),
    "llama.cpp, the same 4-bit weights": (
        "peers-llama.cpp-int4-cpu",
        "llama.cpp",
        "decode_tok_per_s_ratio",
    ),
    "llama.cpp": ("peers-llama.cpp-int4-cpu", "llama.cpp", "prefill_tok_per_s_ratio"),
    "transformers": ("peers-transformers-cpu", "transformers", "decode_tok_per_s_ratio"),
}


def rows_of(name: str) -> list[dict[str, Any]]:
    return json.loads((RESULTS / f"{name}.json").read_text())["rows"]


@pytest.mark.parametrize("against", ROWS)
def test_peers(against: str) -> None:
    cells = re.search(rf"^\| {re.escape(against)} \|(.*)\|$", README, re.MULTILINE)
    assert cells is not None
    _, one, sixteen, _ = (cell.strip() for cell in cells[1].split("|"))
    name, peer, figure = ROWS[against]
    measured = {row["streams"]: row[figure] for row in rows_of(name) if row["peer"] == peer}
    for streams, shown in ((1, one), (16, sixteen)):
        assert shown == (f"{measured[streams]:.1f}" if streams in measured else "")


def test_every_row_is_checked() -> None:
    table = README.split("| against | what |")[1].split("\n\n")[0]
    assert [row.split("|")[1].strip() for row in table.splitlines()[2:]] == list(ROWS)


def test_translation() -> None:
    (told,) = re.findall(r"passes on (\d+) times the streamed tokens of LiteLLM", README)
    (ratio,) = (
        row["tok_per_s_ratio"]
        for row in rows_of("translation-quiet")
        if "tok_per_s_ratio" in row and row["tokens_per_message"] == 1
    )
    assert int(told) == round(ratio)


def test_ratings() -> None:
    measured = {
        row["peer"]: row["s_to_rostra"]
        for row in rows_of("ratings-peers-quiet")
        if row.get("board") == "pairs"
    }
    assert "a fifty-eighth of" in README
    assert round(measured["arena-rank"]) == 58
    assert "half of evalica's" in README
    assert measured["evalica"] == pytest.approx(2, abs=0.2)
    assert "five times choix's" in README
    assert 1 / measured["choix"] == pytest.approx(5, abs=0.5)


def test_the_closed_loop() -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (row,) = rows_of("closed-loop-demo-cpu")
    text = " ".join(page.split())
    for told in (
        f"With {row['battles']} battles",
        f"won {row['won']} of {row['fresh_battles']} fresh battles and lost {row['lost']}",
        f"{row['words_adapter']:.0f} words where the base's have {row['words_base']:.0f}",
        f"That took {row['wall_s']} seconds on two idle cores",
        f"{row['processor_s']} processor seconds, {row['train_processor_s']} of them",
    ):
        assert told in text
    assert row["probability"] > 0.95
    assert row["wall_s"] < 15 * 60
