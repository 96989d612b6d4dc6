"""What a chat template makes use of, found out by rendering with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TOOL_NAME = "probe_tool"
_SYSTEM, _CONTENT, _VALUE, _RESULT = "probe system", "probe content", "probe value", "probe result"
_STRANGER = "probe_role"
_USER = {"role": "user", "content": _CONTENT}
_TOOL = {
    "type": "function",
    "function": {
        "name": TOOL_NAME,
        "description": "probe",
        "parameters": {
            "type": "object",
            "properties": {"argument": {"type": "string", "description": "probe"}},
            "required": ["argument"],
        },
    },
}
# Nine letters: Mistral's templates take no other ids.
_CALL_IDS = ("probecall", "probenext")

Messages = Sequence[Mapping[str, Any]]
Render = Callable[[Messages, Messages], str | None]
"""From messages and tools to the prompt; None where the template refuses them."""


@dataclass(frozen=True)
class TemplateTraits:
    """What becomes part of the prompt. What does not has to be told in another way."""

    shows_tools: bool
    """The tools that are on offer."""
    shows_calls: bool
    """Calls the assistant made."""
    shows_several_calls: bool
    """Also where it made several in one turn."""
    shows_results: bool
    """Messages with the role "tool", as such."""
    arguments_as_text: bool
    """Calls are shown only where their arguments are JSON text, and not objects."""
    takes_system: bool
    """Messages with the role "system"."""
    takes_parts: bool
    """Content is shown only as a list of parts, as in `[{"type": "text", "text": "Hi"}]`."""


def find_traits(render: Render) -> TemplateTraits:
    one = render(_called(1, as_text=False), [_TOOL]) or ""
    one_as_text = render(_called(1, as_text=True), [_TOOL]) or ""
    as_text = _value(0) not in one and _value(0) in one_as_text
    called = one_as_text if as_text else one
    strangers = [
        {**message, "role": _STRANGER} if message["role"] == "tool" else message
        for message in _called(1, as_text=as_text)
    ]
    # A template that writes any role as it writes this one does not know it.
    knows_results = (render(strangers, [_TOOL]) or "").replace(_STRANGER, "tool") != called
    several = render(_called(2, as_text=as_text), [_TOOL]) or ""
    system = render([{"role": "system", "content": _SYSTEM}, _USER], []) or ""
    in_parts = {"role": "user", "content": [{"type": "text", "text": _CONTENT}]}
    return TemplateTraits(
        shows_tools=TOOL_NAME in (render([_USER], [_TOOL]) or ""),
        shows_calls=_value(0) in called,
        shows_several_calls=_value(0) in several and _value(1) in several,
        shows_results=_RESULT in called and knows_results,
        arguments_as_text=as_text,
        takes_system=_SYSTEM in system,
        takes_parts=_CONTENT not in (render([_USER], []) or "")
        and _CONTENT in (render([in_parts], []) or ""),
    )


def _value(index: int) -> str:
    return f"{_VALUE} {index}"


def _called(count: int, *, as_text: bool) -> list[dict[str, Any]]:
    """A conversation in which the assistant called, and got its answers."""
    values = [{"argument": _value(index)} for index in range(count)]
    calls = [
        {
            "id": call_id,
            "type": "function",
            "function": {
                "name": TOOL_NAME,
                "arguments": json.dumps(arguments) if as_text else arguments,
            },
        }
        for call_id, arguments in zip(_CALL_IDS, values, strict=False)
    ]
    results = [
        {"role": "tool", "name": TOOL_NAME, "tool_call_id": call["id"], "content": _RESULT}
        for call in calls
    ]
    return [_USER, {"role": "assistant", "content": "", "tool_calls": calls}, *results]
