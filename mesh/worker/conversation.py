"""`rostra.v1.ChatRequest`, checked, and as chat templates take it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rostra.mesh.text import Tokenizer
from rostra.mesh.worker.checks import Checks
from rostra.v1 import chat_pb2

ROLES = {
    chat_pb2.ROLE_SYSTEM: "system",
    chat_pb2.ROLE_DEVELOPER: "developer",
    chat_pb2.ROLE_USER: "user",
    chat_pb2.ROLE_ASSISTANT: "assistant",
    chat_pb2.ROLE_TOOL: "tool",
}


@dataclass(frozen=True)
class Conversation:
    """The arguments of `Tokenizer.encode_chat`."""

    messages: list[dict[str, Any]]
    add_generation_prompt: bool
    continue_final_message: bool
    variables: dict[str, Any]

    @property
    def size(self) -> int:
        """Characters of text, about: what decides where it is tokenised."""
        return sum(len(message["content"]) for message in self.messages)

    def encode(self, tokenizer: Tokenizer) -> list[int]:
        """Raises ChatTemplateError."""
        return tokenizer.encode_chat(
            self.messages,
            add_generation_prompt=self.add_generation_prompt,
            continue_final_message=self.continue_final_message,
            variables=self.variables,
        )


def read_conversation(
    proto: chat_pb2.ChatRequest, checks: Checks, prefix: str = ""
) -> Conversation:
    """Reports to `checks` what is wrong; field names begin with `prefix`."""
    if not proto.messages:
        checks.invalid(f"{prefix}messages", "must hold at least one message")
    _refuse_tools(proto, checks, prefix)
    continues = proto.continue_final_message
    if continues and proto.add_generation_prompt:
        checks.invalid(f"{prefix}continue_final_message", "excludes add_generation_prompt")
    return Conversation(
        messages=[
            _read_message(message, checks, f"{prefix}messages[{position}]")
            for position, message in enumerate(proto.messages)
        ],
        add_generation_prompt=(
            proto.add_generation_prompt
            if proto.HasField("add_generation_prompt")
            else not continues
        ),
        continue_final_message=continues,
        variables=_read_variables(proto, checks, prefix),
    )


def _refuse_tools(proto: chat_pb2.ChatRequest, checks: Checks, prefix: str) -> None:
    if proto.tools:
        checks.unsupported(f"{prefix}tools", "this worker does not call tools")
    if proto.tool_choice.mode not in (
        chat_pb2.ToolChoice.MODE_UNSPECIFIED,
        chat_pb2.ToolChoice.MODE_NONE,
    ):
        checks.unsupported(f"{prefix}tool_choice", "this worker does not call tools")


def _read_variables(proto: chat_pb2.ChatRequest, checks: Checks, prefix: str) -> dict[str, Any]:
    variables = {}
    for name, text in proto.template_variables.items():
        try:
            variables[name] = json.loads(text)
        except (ValueError, RecursionError) as error:
            checks.invalid(f"{prefix}template_variables[{name}]", f"is not JSON: {error}")
    return variables


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
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in proto.tool_calls
        ]
    return message


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
