"""`rostra.v1.ChatRequest`, checked, and as chat templates take it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rostra.mesh.text import ChatTemplate
from rostra.mesh.worker.checks import Checks
from rostra.mesh.worker.fitting import fit_messages
from rostra.mesh.worker.model import ServedModel
from rostra.mesh.worker.status import unimplemented
from rostra.mesh.worker.tools import ToolUse, read_tools
from rostra.v1 import chat_pb2

ROLES = {
    chat_pb2.ROLE_SYSTEM: "system",
    chat_pb2.ROLE_DEVELOPER: "developer",
    chat_pb2.ROLE_USER: "user",
    chat_pb2.ROLE_ASSISTANT: "assistant",
    chat_pb2.ROLE_TOOL: "tool",
}


EFFORT = "reasoning_effort"
SWITCHES = ("enable_thinking", "thinking")
"""Variables with which templates let a model reason, or not."""


@dataclass(frozen=True)
class Conversation:
    """What the prompt is made of."""

    messages: list[dict[str, Any]]
    """As the template takes them."""
    tools: ToolUse
    template: ChatTemplate
    add_generation_prompt: bool
    continue_final_message: bool
    variables: dict[str, Any]
    size: int
    """Bytes of text, about: what decides where it is tokenised."""

    def render(self) -> str:
        """Raises ChatTemplateError."""
        return self.template.render(
            self.messages,
            tools=self.tools.offered if self.template.traits.shows_tools else None,
            add_generation_prompt=self.add_generation_prompt,
            continue_final_message=self.continue_final_message,
            variables=self.variables,
        )


def read_conversation(
    proto: chat_pb2.ChatRequest, model: ServedModel, checks: Checks, prefix: str = ""
) -> Conversation:
    """Field names begin with `prefix`. Raises RpcError with what is wrong, also by earlier
    `checks`."""
    if not proto.messages:
        checks.invalid(f"{prefix}messages", "must hold at least one message")
    tools = read_tools(proto, checks, prefix, can_call=model.tool_format is not None)
    continues = proto.continue_final_message
    if continues and proto.add_generation_prompt:
        checks.invalid(f"{prefix}continue_final_message", "excludes add_generation_prompt")
    messages = [
        _read_message(message, checks, f"{prefix}messages[{position}]")
        for position, message in enumerate(proto.messages)
    ]
    template = model.tokenizer.chat_template(with_tools=bool(tools.offered))
    if template is None:
        checks.finish()
        raise unimplemented(f"the model {model.name} has no chat template; use Generate")
    variables = _read_variables(proto, model, template, checks, prefix)
    checks.finish()
    return Conversation(
        messages=fit_messages(messages, tools.offered, template, model.tool_format),
        tools=tools,
        template=template,
        add_generation_prompt=(
            proto.add_generation_prompt
            if proto.HasField("add_generation_prompt")
            else not continues
        ),
        continue_final_message=continues,
        variables=variables,
        size=proto.ByteSize(),
    )


def _read_variables(
    proto: chat_pb2.ChatRequest,
    model: ServedModel,
    template: ChatTemplate,
    checks: Checks,
    prefix: str,
) -> dict[str, Any]:
    variables: dict[str, Any] = {}
    for name, text in proto.template_variables.items():
        field = f"{prefix}template_variables[{name}]"
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            checks.invalid(field, f"is not JSON: {error}")
            continue
        if name in template.variables:
            variables[name] = value
        elif (name == EFFORT and value == "none") or (name in SWITCHES and value is False):
            variables |= _without_reasoning(model, template, checks, field)
        else:
            checks.unsupported(field, "the model's chat template does not read it")
    return variables


def _without_reasoning(
    model: ServedModel, template: ChatTemplate, checks: Checks, field: str
) -> dict[str, bool]:
    """No reasoning is what a model without any does, and what a switch asks of others."""
    for name in SWITCHES:
        if name in template.variables:
            return {name: False}
    if model.reasoning_format is not None:
        checks.unsupported(field, "the model's chat template cannot turn its reasoning off")
    return {}


def _read_message(proto: chat_pb2.ChatMessage, checks: Checks, field: str) -> dict[str, Any]:
    role = ROLES.get(proto.role)
    if role is None:
        checks.invalid(f"{field}.role", "must be one of the named roles")
    if proto.role != chat_pb2.ROLE_ASSISTANT:
        if proto.tool_calls:
            checks.invalid(f"{field}.tool_calls", "is for ROLE_ASSISTANT only")
        if proto.HasField("reasoning"):
            checks.invalid(f"{field}.reasoning", "is for ROLE_ASSISTANT only")
    if proto.role == chat_pb2.ROLE_TOOL and not proto.tool_call_id:
        checks.invalid(f"{field}.tool_call_id", "is required for ROLE_TOOL")
    if proto.role != chat_pb2.ROLE_TOOL and proto.HasField("tool_call_id"):
        checks.invalid(f"{field}.tool_call_id", "is for ROLE_TOOL only")
    message: dict[str, Any] = {"role": role, "content": _read_content(proto, checks, field)}
    for name in ("name", "tool_call_id", "reasoning"):
        if proto.HasField(name):
            message[name] = getattr(proto, name)
    if proto.tool_calls:
        message["tool_calls"] = [
            _read_call(call, checks, f"{field}.tool_calls[{position}]")
            for position, call in enumerate(proto.tool_calls)
        ]
    return message


def _read_call(proto: chat_pb2.ToolCall, checks: Checks, field: str) -> dict[str, Any]:
    if not proto.name:
        checks.invalid(f"{field}.name", "must not be empty")
    arguments = proto.arguments or "{}"
    if not _is_object(arguments):
        checks.invalid(f"{field}.arguments", "must be a JSON object")
    return {
        "id": proto.id,
        "type": "function",
        "function": {"name": proto.name, "arguments": arguments},
    }


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text, parse_constant=_refuse_constant), dict)
    except (ValueError, RecursionError):
        return False


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _read_content(proto: chat_pb2.ChatMessage, checks: Checks, field: str) -> str:
    texts = []
    for position, part in enumerate(proto.content):
        form = part.WhichOneof("part")
        if form == "text":
            texts.append(part.text)
        elif form == "image":
            checks.unsupported(f"{field}.content[{position}].image", "the model takes no images")
        else:
            checks.invalid(f"{field}.content[{position}]", "must hold a text or an image")
    return "".join(texts)
