"""What a chat template makes use of, found out by rendering with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TOOL_NAME = "probe_tool"
_SYSTEM, _CONTENT, _VALUE, _RESULT = "probe system", "probe content", "probe value", "probe result"
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
_CALL_ID = "probecall"
_CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {
            "id": _CALL_ID,
            "type": "function",
            "function": {"name": TOOL_NAME, "arguments": {"argument": _VALUE}},
        }
    ],
}
_ANSWER = {"role": "tool", "name": TOOL_NAME, "tool_call_id": _CALL_ID, "content": _RESULT}

Render = Callable[[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]], str | None]
"""From messages and tools to the prompt; None where the template refuses them."""


@dataclass(frozen=True)
class TemplateTraits:
    """What becomes part of the prompt. What does not has to be told in another way."""

    shows_tools: bool
    """The tools that are on offer."""
    shows_calls: bool
    """Calls the assistant made."""
    shows_results: bool
    """Messages with the role "tool"."""
    takes_system: bool
    """Messages with the role "system"."""
    takes_parts: bool
    """Content is shown only as a list of parts, as in `[{"type": "text", "text": "Hi"}]`."""


def find_traits(render: Render) -> TemplateTraits:
    called = render([_USER, _CALL, _ANSWER], [_TOOL]) or ""
    system = render([{"role": "system", "content": _SYSTEM}, _USER], []) or ""
    in_parts = {"role": "user", "content": [{"type": "text", "text": _CONTENT}]}
    return TemplateTraits(
        shows_tools=TOOL_NAME in (render([_USER], [_TOOL]) or ""),
        shows_calls=_VALUE in called,
        shows_results=_RESULT in called,
        takes_system=_SYSTEM in system,
        takes_parts=_CONTENT not in (render([_USER], []) or "")
        and _CONTENT in (render([in_parts], []) or ""),
    )
