"""/v1/responses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from rostra.gateway.rest_names import RestNames
from rostra.gateway.schemas.response_items import MessageItem, SpokenItem
from rostra.gateway.schemas.response_settings import (
    AllowedFunctions,
    JsonObjectFormat,
    JsonSchemaFormat,
    NamedFunction,
)
from rostra.gateway.schemas.responses import ResponseRequest
from rostra.gateway.to_proto import structured, tools
from rostra.gateway.to_proto.sampling import sampling_params
from rostra.gateway.to_proto.turns import chat_messages
from rostra.v1 import chat_pb2, sampling_pb2

_TOOL = re.compile(r"tools\[(\d+)\]")


class ResponseNames(RestNames):
    prompt = "input"

    def __init__(self, body: ResponseRequest) -> None:
        positions = {tool.name: number for number, tool in enumerate(body.tools or ())}
        self._positions = [positions[tool.name] for tool in body.offered_tools]

    def of(self, field: str) -> str:
        name = super().of(field)
        if name.startswith("messages"):
            # Items and messages are not one to one, and some of them may be stored ones.
            return "input"
        if name.startswith("structured_output"):
            return "text.format"
        if name.startswith("tool_choice"):
            return "tool_choice"
        if name == "template_variables[reasoning_effort]":
            return "reasoning.effort"
        if name.startswith("template_variables"):
            return "chat_template_kwargs"
        name = _TOOL.sub(self._tool, name).replace("parameters_schema", "parameters")
        return {"max_tokens": "max_output_tokens", "logprobs": "top_logprobs"}.get(name, name)

    def _tool(self, match: re.Match[str]) -> str:
        return f"tools[{self._positions[int(match[1])]}]"


def response_chat_request(
    body: ResponseRequest, items: Sequence[SpokenItem], request_id: str
) -> chat_pb2.ChatRequest:
    """`items` are the whole conversation; the instructions go before it."""
    if body.instructions is not None:
        items = [MessageItem(role="system", content=body.instructions), *items]
    sampling = sampling_params(body)
    if body.max_output_tokens is not None:
        sampling.max_tokens = body.max_output_tokens
    if body.wants_logprobs:
        sampling.logprobs = body.top_logprobs or 0
    return chat_pb2.ChatRequest(
        model=body.model,
        messages=chat_messages(items),
        sampling=sampling,
        tools=[
            tools.tool(tool.name, tool.description, tool.parameters, tool.is_strict)
            for tool in body.offered_tools
        ],
        tool_choice=_tool_choice(body),
        parallel_tool_calls=body.parallel_tool_calls,
        structured_output=_structured_output(body),
        template_variables={
            name: orjson.dumps(value).decode() for name, value in _variables(body).items()
        },
        cache_salt=body.cache_salt,
        priority=body.priority,
        request_id=request_id,
    )


def _tool_choice(body: ResponseRequest) -> chat_pb2.ToolChoice | None:
    match body.tool_choice:
        case None:
            return None
        case NamedFunction(name=name):
            return tools.tool_choice("named", name)
        case AllowedFunctions(mode=mode):
            return tools.tool_choice(mode)
        case mode:
            # Without tools it asks for what happens anyway.
            return tools.tool_choice(mode) if body.tools else None


def _structured_output(body: ResponseRequest) -> sampling_pb2.StructuredOutput | None:
    match body.text and body.text.format:
        case JsonObjectFormat():
            return structured.json_object()
        case JsonSchemaFormat(schema_=schema):
            return structured.json_schema(schema)
        case _:
            return None


def _variables(body: ResponseRequest) -> dict[str, Any]:
    variables = dict(body.chat_template_kwargs or {})
    if body.reasoning and body.reasoning.effort is not None:
        variables["reasoning_effort"] = body.reasoning.effort
    return variables
