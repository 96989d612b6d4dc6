"""Tools and the choice among them, which several endpoints offer."""

from __future__ import annotations

from typing import Any, Literal

import orjson

from rostra.v1 import chat_pb2

Mode = Literal["none", "auto", "required", "named"]

_MODES: dict[Mode, chat_pb2.ToolChoice.Mode.ValueType] = {
    "none": chat_pb2.ToolChoice.MODE_NONE,
    "auto": chat_pb2.ToolChoice.MODE_AUTO,
    "required": chat_pb2.ToolChoice.MODE_REQUIRED,
    "named": chat_pb2.ToolChoice.MODE_NAMED,
}


def tool(
    name: str, description: str | None, parameters: dict[str, Any] | None, strict: bool | None
) -> chat_pb2.Tool:
    """`parameters` is the JSON Schema of the arguments; None: the function takes none."""
    return chat_pb2.Tool(
        name=name,
        description=description,
        parameters_schema=None if parameters is None else orjson.dumps(parameters).decode(),
        strict=strict,
    )


def tool_choice(mode: Mode, name: str | None = None) -> chat_pb2.ToolChoice:
    """`name` goes with the mode "named", and only with it."""
    return chat_pb2.ToolChoice(mode=_MODES[mode], name=name)
