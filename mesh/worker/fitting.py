"""Conversations for templates that do not know all of what a conversation can hold."""

from __future__ import annotations

import hashlib
import json
import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

from rostra.mesh.parsers import Call, ToolFormat
from rostra.mesh.text import ChatTemplate

Message = dict[str, Any]

_NINE = re.compile(r"length\s*(?:[!=]=|<|>=)\s*9\b")
_MISTRAL_ID = re.compile(r"[A-Za-z0-9]{9}")
_LETTERS = string.digits + string.ascii_letters


def fit_messages(
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]],
    template: ChatTemplate,
    tool_format: ToolFormat | None,
) -> list[Message]:
    """`messages` as the template shows them whole: what it has no place for is told as text.

    Without a `tool_format` no tools are offered; calls in the history are kept as they are.
    """
    traits = template.traits
    fitted = [dict(message) for message in messages]
    if "developer" not in template.source:
        for message in fitted:
            if message["role"] == "developer":
                message["role"] = "system"
    _name_results(fitted)
    if tool_format is not None and not traits.shows_calls:
        fitted = [_with_written_calls(message, tool_format) for message in fitted]
    elif not traits.shows_several_calls:
        fitted = _with_single_calls(fitted)
    if not traits.shows_results:
        fitted = _with_told_results(fitted)
    if _NINE.search(template.source):
        fitted = [_with_short_ids(message) for message in fitted]
    if tools and tool_format is not None and not traits.shows_tools:
        _tell(fitted, tools_text(tools, tool_format), takes_system=traits.takes_system)
    return fitted


def tools_text(tools: Sequence[Mapping[str, Any]], tool_format: ToolFormat) -> str:
    """Tells a model of its tools."""
    functions = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    return (
        "You can call these functions. Each line describes one in JSON: its name, what it does, "
        f"and the JSON schema of its arguments.\n{functions}\n\n{tool_format.describe()}\n\n"
        "Call a function only where it helps to answer. Its result comes in the next message. "
        "Where none helps, answer in words."
    )


def _name_results(messages: Sequence[Message]) -> None:
    """Results say whose they are: some templates want to know."""
    names: dict[str, str] = {}
    for message in messages:
        for call in message.get("tool_calls", ()):
            names[call["id"]] = call["function"]["name"]
        if message["role"] == "tool" and message["tool_call_id"] in names:
            message.setdefault("name", names[message["tool_call_id"]])


def _with_single_calls(messages: Sequence[Message]) -> list[Message]:
    """Several calls of one turn become turns of one call, each with its result after it."""
    results = {
        message["tool_call_id"]: message for message in messages if message["role"] == "tool"
    }
    moved: set[str] = set()
    fitted: list[Message] = []
    for message in messages:
        calls = message.get("tool_calls", ())
        if len(calls) < 2:
            if message["role"] != "tool" or message["tool_call_id"] not in moved:
                fitted.append(message)
            continue
        for position, call in enumerate(calls):
            content = message["content"] if position == 0 else ""
            fitted.append({**message, "content": content, "tool_calls": [call]})
            if call["id"] in results:
                fitted.append(results[call["id"]])
                moved.add(call["id"])
    return fitted


def _with_written_calls(message: Message, tool_format: ToolFormat) -> Message:
    calls = message.get("tool_calls")
    if not calls:
        return message
    functions = [call["function"] for call in calls]
    written = tool_format.write([Call(one["name"], one["arguments"]) for one in functions])
    rest = {key: value for key, value in message.items() if key != "tool_calls"}
    return {**rest, "content": "\n".join(filter(None, (message["content"], written)))}


def _with_told_results(messages: Sequence[Message]) -> list[Message]:
    """Results become words of the user: several in a row one turn, and one with what the user says
    after them, since many templates take no two turns of one side."""
    told: list[Message] = []
    follows_result = False
    for message in messages:
        is_result = message["role"] == "tool"
        turn = message
        if is_result:
            source = message.get("name") or "the function"
            turn = {"role": "user", "content": f"Result of {source}:\n{message['content']}"}
        if follows_result and turn["role"] == "user":
            told[-1]["content"] += f"\n\n{turn['content']}"
        else:
            told.append(turn)
        follows_result = is_result
    return told


def _with_short_ids(message: Message) -> Message:
    """Mistral's templates take ids of nine letters and digits and no others."""
    fitted = dict(message)
    if "tool_call_id" in fitted:
        fitted["tool_call_id"] = _short_id(fitted["tool_call_id"])
    if "tool_calls" in fitted:
        fitted["tool_calls"] = [
            {**call, "id": _short_id(call["id"])} for call in fitted["tool_calls"]
        ]
    return fitted


def _short_id(call_id: str) -> str:
    if _MISTRAL_ID.fullmatch(call_id):
        return call_id
    number = int.from_bytes(hashlib.blake2b(call_id.encode(), digest_size=8).digest(), "big")
    letters = []
    for _ in range(9):
        number, rest = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[rest])
    return "".join(letters)


def _tell(messages: list[Message], text: str, *, takes_system: bool) -> None:
    """Puts `text` where the model reads it first."""
    role = "system" if takes_system else "user"
    first = messages[0]
    if first["role"] != role:
        messages.insert(0, {"role": role, "content": text})
    elif takes_system:
        first["content"] = f"{first['content']}\n\n{text}".lstrip()
    else:
        first["content"] = f"{text}\n\n{first['content']}"
