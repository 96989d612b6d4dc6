"""/v1/messages and /v1/messages/count_tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import cast

import orjson

from rostra.gateway.rest_names import RestNames
from rostra.gateway.schemas.anthropic import CountTokensRequest, MessagesRequest, PromptFields
from rostra.gateway.schemas.anthropic_blocks import (
    AssistantTurn,
    SystemTurn,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UserTurn,
    texts,
)
from rostra.gateway.schemas.images import Image
from rostra.gateway.to_proto.parts import content_part
from rostra.gateway.to_proto.structured import json_schema
from rostra.gateway.to_proto.tools import Mode, tool, tool_choice
from rostra.v1 import chat_pb2, inference_pb2, sampling_pb2

_NOTHING_SAID = chat_pb2.ChatMessage(role=chat_pb2.ROLE_ASSISTANT)
"""As a last turn it is no prefill: the API takes it for an answer that is still to begin."""
_MODES: dict[str, Mode] = {"auto": "auto", "any": "required", "tool": "named", "none": "none"}
_NAMES = [
    # Turns of the API and messages of the proto are not one to one.
    (re.compile(r"(messages|continue_final_message|add_generation_prompt).*"), "messages"),
    (re.compile(r"stop(\[\d+\])?"), r"stop_sequences\1"),
    (re.compile(r"(tools\[\d+\])\.parameters_schema"), r"\1.input_schema"),
    (re.compile(r"parallel_tool_calls"), "tool_choice.disable_parallel_tool_use"),
    (re.compile(r"template_variables\[reasoning_effort\]"), "output_config.effort"),
    (re.compile(r"template_variables.*"), "thinking"),
]


class MessagesNames(RestNames):
    def __init__(self, body: PromptFields) -> None:
        self._format = "output_format" if body.output_format else "output_config.format"

    def of(self, field: str) -> str:
        name = super().of(field.removeprefix("chat."))
        if name.startswith("structured_output"):
            return f"{self._format}.schema"
        for pattern, replacement in _NAMES:
            if match := pattern.fullmatch(name):
                return match.expand(replacement)
        return name


def messages_request(body: MessagesRequest, request_id: str) -> chat_pb2.ChatRequest:
    request = _prompt(body)
    request.request_id = request_id
    request.sampling.CopyFrom(
        sampling_pb2.SamplingParams(
            temperature=body.temperature,
            top_p=body.top_p,
            top_k=body.top_k,
            stop=body.stop_sequences,
            max_tokens=body.max_tokens,
        )
    )
    return request


def count_tokens_request(body: CountTokensRequest) -> inference_pb2.TokenizeRequest:
    return inference_pb2.TokenizeRequest(model=body.model, chat=_prompt(body))


def _prompt(body: PromptFields) -> chat_pb2.ChatRequest:
    messages = _messages(body)
    if len(messages) > 1 and messages[-1] == _NOTHING_SAID:
        messages.pop()
    request = chat_pb2.ChatRequest(
        model=body.model,
        messages=messages,
        tools=[
            tool(each.name, each.description, each.input_schema, each.strict)
            for each in body.tools or ()
        ],
        template_variables=_template_variables(body),
    )
    if request.messages[-1].role == chat_pb2.ROLE_ASSISTANT:
        request.continue_final_message = True
    if body.tools and (choice := body.tool_choice):
        request.tool_choice.CopyFrom(tool_choice(_MODES[choice.type], choice.name))
        if choice.disable_parallel_tool_use is not None:
            request.parallel_tool_calls = not choice.disable_parallel_tool_use
    if answer_format := body.answer_format:
        request.structured_output.CopyFrom(json_schema(answer_format.document))
    return request


def _template_variables(body: PromptFields) -> dict[str, str]:
    """`adaptive` leaves it to the template, as saying nothing does."""
    variables: dict[str, object] = {}
    if body.thinking and body.thinking.type != "adaptive":
        variables["enable_thinking"] = body.thinking.type == "enabled"
    if body.output_config and body.output_config.effort:
        variables["reasoning_effort"] = body.output_config.effort
    return {name: orjson.dumps(value).decode() for name, value in variables.items()}


def _messages(body: PromptFields) -> list[chat_pb2.ChatMessage]:
    """Turns of one speaker become one turn, as in Anthropic's API: templates want them to
    alternate."""
    messages = []
    if any(system := texts(body.system)):
        messages.append(_message(chat_pb2.ROLE_SYSTEM, system))
    for kind, turns in groupby(body.messages, type):
        if kind is UserTurn:
            messages += _of_user(cast("Iterator[UserTurn]", turns))
        elif kind is AssistantTurn:
            messages.append(_of_assistant(list(cast("Iterator[AssistantTurn]", turns))))
        else:
            messages += [
                _message(chat_pb2.ROLE_SYSTEM, texts(turn.content))
                for turn in cast("Iterator[SystemTurn]", turns)
            ]
    return messages


def _of_user(turns: Iterable[UserTurn]) -> Iterator[chat_pb2.ChatMessage]:
    """Results of calls are messages of their own; what is between them stays where it is."""
    said: list[str | Image] = []
    results = 0
    for turn in turns:
        for position, block in enumerate(turn.blocks):
            if not isinstance(block, ToolResultBlock):
                if said and position == 0:
                    said.append("\n")
                said.append(block.text if isinstance(block, TextBlock) else block.source)
                continue
            if said:
                yield _message(chat_pb2.ROLE_USER, said)
                said = []
            yield _of_result(block)
            results += 1
    if said or not results:
        yield _message(chat_pb2.ROLE_USER, said)


def _of_result(block: ToolResultBlock) -> chat_pb2.ChatMessage:
    """Templates have no other place for it that a call has failed than its result's text."""
    result = "".join(texts(block.content))
    if block.is_error:
        result = f"Error: {result}" if result else "Error"
    message = _message(chat_pb2.ROLE_TOOL, [result])
    message.tool_call_id = block.tool_use_id
    return message


def _of_assistant(turns: Sequence[AssistantTurn]) -> chat_pb2.ChatMessage:
    blocks = [block for turn in turns for block in turn.blocks]
    said = [
        "".join(each.text for each in turn.blocks if isinstance(each, TextBlock)) for turn in turns
    ]
    message = _message(chat_pb2.ROLE_ASSISTANT, ["\n".join(filter(None, said))])
    message.tool_calls.extend(
        chat_pb2.ToolCall(
            id=block.id, name=block.name, arguments=orjson.dumps(block.input).decode()
        )
        for block in blocks
        if isinstance(block, ToolUseBlock)
    )
    if thought := "".join(block.thinking for block in blocks if isinstance(block, ThinkingBlock)):
        message.reasoning = thought
    return message


def _message(role: chat_pb2.Role.ValueType, parts: Iterable[str | Image]) -> chat_pb2.ChatMessage:
    content = [content_part(part) for part in parts if part]
    return chat_pb2.ChatMessage(role=role, content=content)
