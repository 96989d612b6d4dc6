from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_model import save_tiny_model

from rostra.training.base import BaseModel


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    path = tmp_path_factory.mktemp("tiny-base")
    save_tiny_model(path)
    return BaseModel("tiny", path, revision="r1", source="a test", licence="apache-2.0")


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_base: BaseModel) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_base.path)


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: Any, name: str = "data.jsonl") -> Path:
        path = tmp_path / name
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def foxes(jsonl: Callable[..., Path]) -> Path:
    """A small corpus that a tiny model learns: the answers have a pattern."""
    return jsonl(
        *(
            {
                "messages": [
                    {"role": "user", "content": f"who is number {number}"},
                    {"role": "assistant", "content": f"the quick fox {number}"},
                ]
            }
            for number in range(40)
        )
    )


@pytest.fixture
def short_wins(tmp_path: Path) -> str:
    """A store of votes in which the shorter of two answers wins."""
    from rostra.arena.contestant import Contestant
    from rostra.arena.matchmaking import Pair
    from rostra.arena.votes.records import EndedAnswer
    from rostra.arena.votes.store import VoteStore

    url = f"sqlite:///{tmp_path / 'votes.sqlite3'}"
    store = VoteStore(url)
    pair = Pair(*(Contestant(name=name, model="tiny") for name in ("ariel", "puck")))
    for number in range(24):
        ticket = store.open_battle(pair, f"what is {number}", f"voter {number % 4}")
        texts = ("the fox", "the quick brown fox jumps over")
        for side, text in zip(("a", "b"), texts[:: 1 if number % 2 else -1], strict=True):
            ended = EndedAnswer(f"{text} {number}", 0.1, finish_reason="stop")
            store.end_answer(ticket.battle_id, 0, side, ended)
        store.vote(ticket, "a" if number % 2 else "b")
    store.close()
    return url
