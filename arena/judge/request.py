"""What is sent to a judge, and the hash by which the reply is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from rostra.arena.gateway_client import Message
from rostra.arena.judge.forms import Form
from rostra.arena.judge.reply import Kind, schema
from rostra.arena.judge.settings import JudgeSettings

ONLY_JSON = (
    "Reply with one JSON object and nothing else, neither before nor after it nor around it. It "
    "has to be valid by this JSON Schema:\n"
)
TOOL = "verdict"
"""Name of the function, and of the schema."""


@dataclass(frozen=True)
class JudgeRequest:
    judge: JudgeSettings
    kind: Kind
    messages: tuple[Message, ...]
    key: str
    """SHA-256 of the server, the model and its settings, the prompt and the answers; the same in
    whichever form the verdict is asked for."""

    def body(self, form: Form) -> dict[str, Any]:
        """Of a chat completion."""
        return _body(self.judge, self.kind, self.messages, form)


def judge_request(judge: JudgeSettings, kind: Kind, messages: Sequence[Message]) -> JudgeRequest:
    body = _body(judge, kind, messages, judge.structured)
    told = msgspec.json.encode([judge.base_url, body], order="deterministic")
    return JudgeRequest(judge, kind, tuple(messages), hashlib.sha256(told).hexdigest())


def _body(
    judge: JudgeSettings, kind: Kind, messages: Sequence[Message], form: Form
) -> dict[str, Any]:
    wanted = schema(kind, judge.reason_chars)
    body: dict[str, Any] = {
        "model": judge.model,
        "messages": list(messages),
        "stream": False,
        **judge.sampling.model_dump(exclude_none=True),
        **judge.extra,
    }
    match form:
        case "json_schema":
            given = {"name": TOOL, "strict": True, "schema": wanted}
            body["response_format"] = {"type": "json_schema", "json_schema": given}
        case "tool":
            function = {
                "name": TOOL,
                "description": "Gives the verdict.",
                "strict": True,
                "parameters": wanted,
            }
            body["tools"] = [{"type": "function", "function": function}]
            body["tool_choice"] = {"type": "function", "function": {"name": TOOL}}
        case "json_object":
            body["messages"] = _told_of(wanted, messages)
            body["response_format"] = {"type": "json_object"}
        case "json":
            body["messages"] = _told_of(wanted, messages)
    return body


def _told_of(wanted: dict[str, Any], messages: Sequence[Message]) -> list[Message]:
    first, *others = messages
    rule = f"{first['content']}\n\n{ONLY_JSON}{msgspec.json.encode(wanted).decode()}"
    return [Message(role="system", content=rule), *others]
