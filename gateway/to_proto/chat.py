"""/v1/chat/completions."""

from __future__ import annotations

import re

import orjson

from rostra.gateway.rest_names import RestNames
from rostra.gateway.schemas.chat import ChatCompletionRequest
from rostra.gateway.schemas.images import ImageUrlPart
from rostra.gateway.schemas.messages import FunctionCall, Message
from rostra.gateway.to_proto.parts import content_part
from rostra.gateway.to_proto.sampling import sampling_params
from rostra.gateway.to_proto.structured import grammar_name, structured_output
from rostra.gateway.to_proto.tools import tool, tool_choice
from rostra.v1 import chat_pb2

_ROLES = {
    "system": chat_pb2.ROLE_SYSTEM,
    "developer": chat_pb2.ROLE_DEVELOPER,
    "user": chat_pb2.ROLE_USER,
    "assistant": chat_pb2.ROLE_ASSISTANT,
    "tool": chat_pb2.ROLE_TOOL,
    "function": chat_pb2.ROLE_TOOL,
}
_TOOL = re.compile(r"tools\[(\d+)\](.*)")
_CALL = re.compile(r"messages\[(\d+)\]\.tool_calls\[(\d+)\](\.name|\.arguments)?(.*)")
_IMAGE = re.compile(r"(messages\[\d+\]\.content\[\d+\])\.image")
_REASONING = re.compile(r"(messages\[\d+\]\.reasoning)")
_VARIABLE = re.compile(r"template_variables\[(.*)\]")


class ChatNames(RestNames):
    def __init__(self, body: ChatCompletionRequest) -> None:
        self._body = body

    def of(self, field: str) -> str:
        body, name = self._body, super().of(field)
        match re.split(r"[.[]", name, maxsplit=1)[0]:
            case "messages":
                name = self._of_message(name)
            case "tools" if found := _TOOL.fullmatch(name):
                shown = list(body.offered)[int(found[1])]
                name = shown + found[2].replace("parameters_schema", "parameters")
            case "tool_choice":
                name = "function_call" if body.function_call else "tool_choice"
            case "template_variables":
                name = self._of_variable(name)
            case "structured_output":
                name = grammar_name(body.output_grammar, name)
            case "max_tokens" if body.max_completion_tokens:
                name = "max_completion_tokens"
            case "logprobs":
                name = "top_logprobs"
        return name

    def _of_message(self, name: str) -> str:
        if match := _CALL.fullmatch(name):
            message, call, part, rest = match.groups("")
            if self._body.messages[int(message)].function_call:
                return f"messages[{message}].function_call{part}"
            function = f".function{part}" if part else ""
            return f"messages[{message}].tool_calls[{call}]{function}{rest}"
        name = _IMAGE.sub(r"\1.image_url", name)
        return _REASONING.sub(r"\1_content", name)

    def _of_variable(self, name: str) -> str:
        match = _VARIABLE.fullmatch(name)
        if match is None:
            return "chat_template_kwargs"
        if match[1] == "reasoning_effort" and self._body.reasoning_effort:
            return "reasoning_effort"
        return f"chat_template_kwargs.{match[1]}"


def chat_request(body: ChatCompletionRequest, request_id: str) -> chat_pb2.ChatRequest:
    sampling = sampling_params(body)
    max_tokens = body.max_completion_tokens or body.max_tokens
    if max_tokens is not None:
        sampling.max_tokens = max_tokens
    if body.logprobs:
        sampling.logprobs = body.top_logprobs or 0
    return chat_pb2.ChatRequest(
        model=body.model,
        messages=_messages(body.messages),
        sampling=sampling,
        tools=[
            tool(one.name, one.description, one.parameters, one.strict)
            for one in body.offered.values()
        ],
        tool_choice=tool_choice(*body.choice) if body.choice else None,
        parallel_tool_calls=False if body.functions else body.parallel_tool_calls,
        structured_output=structured_output(body.output_grammar),
        template_variables={
            name: orjson.dumps(value).decode() for name, value in body.template_variables.items()
        },
        add_generation_prompt=body.add_generation_prompt,
        continue_final_message=body.continue_final_message,
        cache_salt=body.cache_salt,
        priority=body.priority,
        request_id=request_id,
    )


def _messages(messages: list[Message]) -> list[chat_pb2.ChatMessage]:
    """Calls of functions, from before they were called tools, have no ids: each gets one here, and
    its answer the same."""
    converted = []
    call_id = "call_0"
    for position, message in enumerate(messages):
        calls = [_call(one.id, one.function) for one in message.tool_calls or ()]
        if message.function_call:
            call_id = f"call_{position}"
            calls = [_call(call_id, message.function_call)]
        converted.append(
            chat_pb2.ChatMessage(
                role=_ROLES[message.role],
                content=[_part(part) for part in message.parts],
                name=message.name,
                tool_calls=calls,
                tool_call_id=call_id if message.role == "function" else message.tool_call_id,
                reasoning=message.reasoning_content,
            )
        )
    return converted


def _part(part: str | ImageUrlPart) -> chat_pb2.ContentPart:
    if isinstance(part, str):
        return content_part(part)
    return content_part(part.image_url.url, part.image_url.detail)


def _call(call_id: str, function: FunctionCall) -> chat_pb2.ToolCall:
    return chat_pb2.ToolCall(id=call_id, name=function.name, arguments=function.arguments)
