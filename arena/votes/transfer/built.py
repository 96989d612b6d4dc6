"""A battle of a file as rows of the tables of the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from rostra.arena.votes.log.bodies import vote_body
from rostra.arena.votes.log.canonical import canonical_hash
from rostra.arena.votes.texts import storable
from rostra.arena.votes.transfer.incoming import Incoming


@dataclass(frozen=True)
class Built:
    """Rows of the tables."""

    battle: dict[str, Any]
    imported: dict[str, Any]
    turns: list[dict[str, Any]]
    images: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    vote: dict[str, Any]
    tags: list[dict[str, Any]]

    def content(self) -> dict[str, Any]:
        named = ("file", "form", "row", "original_id")
        source = {name: self.imported[name] for name in named}
        source["extra_sha256"] = canonical_hash(self.imported["extra"])
        ordered = sorted(
            self.answers, key=lambda each: (each["turn"], each["side"], each["attempt"])
        )
        return vote_body(
            SimpleNamespace(**self.battle),
            [SimpleNamespace(**turn) for turn in self.turns],
            [SimpleNamespace(**answer) for answer in ordered],
            SimpleNamespace(**self.vote),
            source,
            [SimpleNamespace(**image) for image in self.images],
        )


def turns_of(battle_id: str, row: Incoming, at: datetime) -> list[dict[str, Any]]:
    times = row.asked_at or (at,) * len(row.prompts)
    return [
        {"battle_id": battle_id, "number": number, "prompt": storable(prompt), "asked_at": time}
        for number, (prompt, time) in enumerate(zip(row.prompts, times, strict=True))
    ]


def images_of(battle_id: str, row: Incoming) -> list[dict[str, Any]]:
    return [
        {
            "battle_id": battle_id,
            "turn": shown.turn,
            "number": shown.number,
            "media_type": shown.picture.media_type,
            "width": shown.picture.width,
            "height": shown.picture.height,
            "sha256": shown.picture.sha256,
            "data": shown.picture.data,
        }
        for shown in row.images
    ]


def answers_of(battle_id: str, row: Incoming, at: datetime) -> list[dict[str, Any]]:
    return [
        {
            "battle_id": battle_id,
            "turn": said.turn,
            "side": said.side,
            "attempt": 0,
            "text": storable(said.text),
            "finish_reason": None,
            "error": None,
            "model_revision": None,
            "prompt_tokens": None,
            "completion_tokens": said.completion_tokens,
            "first_text_seconds": None,
            "seconds": 0.0,
            "ended_at": at,
            **said.rest,
        }
        for said in row.answers
    ]
