"""What is sent to a judge, and the hash by which the reply is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from rostra.arena.gateway_client import Message
from rostra.arena.judge.reply import Kind, schema
from rostra.arena.judge.settings import JudgeSettings

ONLY_JSON = (
    "Reply with one JSON object and nothing else, neither before nor after it nor around it. It "
    "has to be valid by this JSON Schema:\n"
)


@dataclass(frozen=True)
class JudgeRequest:
    judge: JudgeSettings
    kind: Kind
    body: dict[str, Any]
    key: str
    """SHA-256 of the server, the body, and so of the model, its settings, the prompt and the
    answers."""


def judge_request(judge: JudgeSettings, kind: Kind, messages: Sequence[Message]) -> JudgeRequest:
    wanted = schema(kind, judge.reason_chars)
    body: dict[str, Any] = {
        "model": judge.model,
        "messages": list(messages),
        "stream": False,
        **judge.sampling.model_dump(exclude_none=True),
        **judge.extra,
    }
    if judge.structured == "json_schema":
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "strict": True, "schema": wanted},
        }
    else:
        first, *others = messages
        rule = f"{first['content']}\n\n{ONLY_JSON}{msgspec.json.encode(wanted).decode()}"
        body["messages"] = [Message(role="system", content=rule), *others]
    told = msgspec.json.encode([judge.base_url, body], order="deterministic")
    return JudgeRequest(judge, kind, body, hashlib.sha256(told).hexdigest())
