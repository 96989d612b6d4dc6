"""What surrounds the choices of every answer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from rostra.v1 import control_pb2, tokens_pb2


@dataclass
class Envelope:
    """Makes the objects of one answer; all of them carry the same id."""

    prefix: str
    """`chatcmpl` or `cmpl`."""
    kind: str
    """Of the whole answer: `chat.completion` or `text_completion`."""
    chunk_kind: str
    include_usage: bool
    id: str = field(init=False)
    created: int = field(init=False)
    _around: tuple[bytes, bytes] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.id = f"{self.prefix}-{uuid.uuid4().hex}"
        self.created = int(time.time())

    def chunk(self, model: control_pb2.ModelInfo, choice: dict[str, Any]) -> orjson.Fragment:
        """One choice in JSON: what surrounds it is the same for all chunks of an answer."""
        if self._around is None:
            self._around = self._template(model)
        before, after = self._around
        return orjson.Fragment(before + orjson.dumps(choice) + after)

    def usage_chunk(
        self, model: control_pb2.ModelInfo, usages: Iterable[tokens_pb2.Usage]
    ) -> dict[str, Any]:
        return {**self._head(self.chunk_kind, model), "choices": [], "usage": usage(usages)}

    def whole(
        self,
        model: control_pb2.ModelInfo,
        choices: list[dict[str, Any]],
        usages: Iterable[tokens_pb2.Usage],
    ) -> dict[str, Any]:
        return {**self._head(self.kind, model), "choices": choices, "usage": usage(usages)}

    def _template(self, model: control_pb2.ModelInfo) -> tuple[bytes, bytes]:
        chunk = {**self._head(self.chunk_kind, model), "choices": []}
        if self.include_usage:
            chunk["usage"] = None
        before, empty, after = orjson.dumps(chunk).rpartition(b"[]")
        return before + empty[:1], empty[1:] + after

    def _head(self, kind: str, model: control_pb2.ModelInfo) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": model.name,
            "system_fingerprint": f"fp_{model.revision[:12]}" if model.revision else None,
        }


def usage(usages: Iterable[tokens_pb2.Usage]) -> dict[str, Any] | None:
    """The sum over all calls behind an answer; None where who answered has not counted: every
    prompt has a token."""
    total = tokens_pb2.Usage()
    for one in usages:
        total.prompt_tokens += one.prompt_tokens
        total.completion_tokens += one.completion_tokens
        total.cached_prompt_tokens += one.cached_prompt_tokens
        total.reasoning_tokens += one.reasoning_tokens
    if not total.prompt_tokens:
        return None
    return {
        "prompt_tokens": total.prompt_tokens,
        "completion_tokens": total.completion_tokens,
        "total_tokens": total.prompt_tokens + total.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": total.cached_prompt_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": total.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
