"""The tools of a `rostra.v1.ChatRequest`, checked."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from rostra.mesh.parsers import Tools
from rostra.mesh.worker.checks import Checks
from rostra.v1 import chat_pb2

MAX_TOOLS = 128
NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}

_Mode = chat_pb2.ToolChoice.Mode


@dataclass(frozen=True)
class ToolUse:
    """Which tools a model is told of and may call."""

    offered: list[dict[str, Any]] = field(default_factory=list)
    """In the shape of OpenAI's API, as chat templates take them."""
    schemas: Tools = field(default_factory=dict)
    """Of the tools that may be called."""
    positions: dict[str, int] = field(default_factory=dict)
    """Where each tool stands in the request."""
    forced: bool = False
    """One of them must be called."""
    strict: frozenset[str] = frozenset()
    """Those whose arguments have to follow their schema."""
    single: bool = False
    """At most one call."""


def read_tools(
    proto: chat_pb2.ChatRequest, checks: Checks, prefix: str = "", *, can_call: bool
) -> ToolUse:
    """Reports to `checks` what is wrong; field names begin with `prefix`.

    With the choice "none" no tool is offered: a model that is not told of tools calls none.
    """
    if len(proto.tools) > MAX_TOOLS:
        checks.invalid(f"{prefix}tools", f"at most {MAX_TOOLS} tools, got {len(proto.tools)}")
        return ToolUse()
    schemas: dict[str, dict[str, Any]] = {}
    positions: dict[str, int] = {}
    for position, tool in enumerate(proto.tools):
        where = f"{prefix}tools[{position}]"
        if not NAME.fullmatch(tool.name):
            checks.invalid(f"{where}.name", "must be 1 to 128 letters, digits, _, . or -")
        elif tool.name in schemas:
            checks.invalid(f"{where}.name", f"{tool.name} is the name of an earlier tool")
        schemas[tool.name] = _read_schema(tool, checks, f"{where}.parameters_schema")
        positions[tool.name] = position
    mode = _read_mode(proto, checks, prefix)
    if mode == _Mode.MODE_NONE or not proto.tools:
        return ToolUse()
    if not can_call:
        checks.unsupported(f"{prefix}tools", "this worker reads no calls: its tool parser is off")
    name = proto.tool_choice.name
    return ToolUse(
        offered=[_describe(tool, schemas[tool.name]) for tool in proto.tools],
        schemas={name: schemas.get(name, {})} if mode == _Mode.MODE_NAMED else schemas,
        positions=positions,
        forced=mode in (_Mode.MODE_REQUIRED, _Mode.MODE_NAMED),
        strict=frozenset(tool.name for tool in proto.tools if tool.strict),
        # As the API of OpenAI has it, naming a function asks for one call of it.
        single=mode == _Mode.MODE_NAMED
        or (proto.HasField("parallel_tool_calls") and not proto.parallel_tool_calls),
    )


def _read_mode(proto: chat_pb2.ChatRequest, checks: Checks, prefix: str) -> int:
    choice, where = proto.tool_choice, f"{prefix}tool_choice"
    if choice.mode not in _Mode.values():
        checks.invalid(f"{where}.mode", "must be one of the named modes")
    elif choice.mode == _Mode.MODE_NAMED:
        if choice.name not in {tool.name for tool in proto.tools}:
            checks.invalid(f"{where}.name", f"no tool is named {choice.name!r}")
    elif choice.HasField("name"):
        checks.invalid(f"{where}.name", "is for MODE_NAMED only")
    elif choice.mode == _Mode.MODE_REQUIRED and not proto.tools:
        checks.invalid(where, "asks for a call, and there are no tools")
    return int(choice.mode)


def _read_schema(tool: chat_pb2.Tool, checks: Checks, where: str) -> dict[str, Any]:
    if not tool.HasField("parameters_schema"):
        return NO_PARAMETERS
    try:
        schema = json.loads(tool.parameters_schema)
    except (ValueError, RecursionError) as error:
        checks.invalid(where, f"is not JSON: {error}")
        return {}
    if not isinstance(schema, dict):
        checks.invalid(where, "must be a JSON object")
        return {}
    if schema.get("type", "object") != "object":
        checks.invalid(where, 'must be a schema of the type "object": arguments are one')
    if not isinstance(schema.get("properties", {}), dict):
        checks.invalid(where, "properties must be a JSON object")
        return {}
    if "x-guidance" in schema:
        checks.invalid(where, "has the key x-guidance; how JSON is written is not settable")
    return schema


def _describe(tool: chat_pb2.Tool, schema: dict[str, Any]) -> dict[str, Any]:
    # Templates join the description to other text, so there has to be one.
    function = {"name": tool.name, "description": tool.description, "parameters": schema}
    return {"type": "function", "function": function}
