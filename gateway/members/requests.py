"""From the requests of rostra.v1 to bodies of the OpenAI API."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import orjson

from rostra.gateway.members.settings import Extra, MemberModel
from rostra.v1 import chat_pb2, inference_pb2, sampling_pb2

Body = dict[str, Any]

_ROLES = {
    chat_pb2.ROLE_SYSTEM: "system",
    chat_pb2.ROLE_DEVELOPER: "developer",
    chat_pb2.ROLE_USER: "user",
    chat_pb2.ROLE_ASSISTANT: "assistant",
    chat_pb2.ROLE_TOOL: "tool",
}
_CHOICES = {
    chat_pb2.ToolChoice.MODE_NONE: "none",
    chat_pb2.ToolChoice.MODE_AUTO: "auto",
    chat_pb2.ToolChoice.MODE_REQUIRED: "required",
}
_OTHERWISE = frozenset(
    {"seed", "logit_bias", "stop", "stop_token_ids", "max_tokens", "logprobs", "prompt_logprobs"}
)
"""Fields of SamplingParams that the OpenAI API writes otherwise than rostra.v1."""
_FIELDS = sampling_pb2.SamplingParams.DESCRIPTOR.fields_by_name
_BEYOND = tuple(name for name in get_args(Extra) if name in _FIELDS)
_IDLE = frozenset({"stop_token_ids", "ignore_eos", "min_tokens"})
"""Those of them that ask for nothing where they are 0, false or empty."""


def chat_body(request: chat_pb2.ChatRequest, model: MemberModel, *, stream: bool) -> Body:
    """Of /chat/completions."""
    sampling = request.sampling
    body: Body = {
        "model": model.upstream,
        "messages": [_message(message) for message in request.messages],
        **_sampling(sampling),
        **_structured_output(request),
        **_template_variables(request),
        **_scheduling(request, model),
    }
    if sampling.HasField("max_tokens"):
        body[model.max_tokens_field] = sampling.max_tokens
    if sampling.HasField("logprobs"):
        body["logprobs"] = True
        body["top_logprobs"] = sampling.logprobs
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.HasField("parallel_tool_calls"):
            body["parallel_tool_calls"] = request.parallel_tool_calls
    if request.HasField("tool_choice"):
        body["tool_choice"] = _tool_choice(request.tool_choice)
    if request.continue_final_message:
        # Two settings of other servers' templates that go together.
        body["continue_final_message"] = True
        body["add_generation_prompt"] = False
    elif request.HasField("add_generation_prompt") and not request.add_generation_prompt:
        body["add_generation_prompt"] = False
    return body | _streaming(stream)


def completion_body(
    request: inference_pb2.GenerateRequest, model: MemberModel, *, stream: bool
) -> Body:
    """Of /completions."""
    sampling = request.sampling
    tokens = request.WhichOneof("prompt") == "tokens"
    body: Body = {
        "model": model.upstream,
        "prompt": list(request.tokens.ids) if tokens else request.text,
        "max_tokens": sampling.max_tokens,
        **_sampling(sampling),
        **_structured_output(request),
        **_scheduling(request, model),
    }
    if sampling.HasField("logprobs"):
        body["logprobs"] = sampling.logprobs
    return body | _streaming(stream)


def embeddings_body(request: inference_pb2.EmbedRequest, model: MemberModel) -> Body:
    """Of /embeddings."""
    body: Body = {
        "model": model.upstream,
        "input": [
            list(each.tokens.ids) if each.WhichOneof("input") == "tokens" else each.text
            for each in request.inputs
        ],
        "encoding_format": "float",
    }
    if request.HasField("dimensions"):
        body["dimensions"] = request.dimensions
    return body


def _message(message: chat_pb2.ChatMessage) -> Body:
    body: Body = {"role": _ROLES[message.role], "content": _content(message.content)}
    if message.HasField("name"):
        body["name"] = message.name
    if message.tool_calls:
        body["content"] = body["content"] or None
        body["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments or "{}"},
            }
            for call in message.tool_calls
        ]
    if message.HasField("tool_call_id"):
        body["tool_call_id"] = message.tool_call_id
    if message.HasField("reasoning"):
        body["reasoning_content"] = message.reasoning
    return body


def _content(parts: Sequence[chat_pb2.ContentPart]) -> str | list[Body]:
    """One text where there is nothing but text: servers that take no parts take that."""
    if not any(part.HasField("image") for part in parts):
        return "".join(part.text for part in parts)
    return [_part(part) for part in parts]


def _part(part: chat_pb2.ContentPart) -> Body:
    if not part.HasField("image"):
        return {"type": "text", "text": part.text}
    image = part.image
    data = base64.b64encode(image.data).decode()
    url = {"url": f"data:{image.media_type};base64,{data}"}
    if image.HasField("detail"):
        url["detail"] = image.detail
    return {"type": "image_url", "image_url": url}


def _tool(tool: chat_pb2.Tool) -> Body:
    function: Body = {"name": tool.name}
    if tool.HasField("description"):
        function["description"] = tool.description
    if tool.HasField("parameters_schema"):
        function["parameters"] = orjson.Fragment(tool.parameters_schema)
    if tool.HasField("strict"):
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _tool_choice(choice: chat_pb2.ToolChoice) -> str | Body:
    if choice.mode == chat_pb2.ToolChoice.MODE_NAMED:
        return {"type": "function", "function": {"name": choice.name}}
    return _CHOICES[choice.mode]


def _sampling(sampling: sampling_pb2.SamplingParams) -> Body:
    body: Body = {
        field.name: _shortest(value) if isinstance(value, float) else value
        for field, value in sampling.ListFields()
        if field.name not in _OTHERWISE
    }
    if sampling.HasField("seed"):
        # Negative seeds came here as their two's complement.
        body["seed"] = sampling.seed - (2**64 if sampling.seed >= 2**63 else 0)
    if sampling.logit_bias:
        body["logit_bias"] = {
            str(token): _shortest(bias) for token, bias in sampling.logit_bias.items()
        }
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.stop_token_ids:
        body["stop_token_ids"] = list(sampling.stop_token_ids)
    return body


def _shortest(value: float) -> float:
    """0.7 for the 0.699999988 that a float of 32 bits makes of it."""
    return float(format(value, ".7g"))


def _structured_output(
    request: chat_pb2.ChatRequest | inference_pb2.GenerateRequest,
) -> Body:
    wanted = request.structured_output
    match wanted.WhichOneof("form"):
        case "json_object":
            return {"response_format": {"type": "json_object"}}
        case "json_schema":
            schema = {
                "name": "answer",
                "schema": orjson.Fragment(wanted.json_schema),
                "strict": True,
            }
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        case "regex":
            return {"structured_outputs": {"regex": wanted.regex}}
        case "choices":
            return {"structured_outputs": {"choice": list(wanted.choices.values)}}
        case "lark":
            return {"structured_outputs": {"grammar": wanted.lark}}
    return {}


def _template_variables(request: chat_pb2.ChatRequest) -> Body:
    variables = {
        name: orjson.Fragment(value)
        for name, value in request.template_variables.items()
        if name != "reasoning_effort"
    }
    body: Body = {"chat_template_kwargs": variables} if variables else {}
    if "reasoning_effort" in request.template_variables:
        body["reasoning_effort"] = orjson.Fragment(request.template_variables["reasoning_effort"])
    return body


def _scheduling(
    request: chat_pb2.ChatRequest | inference_pb2.GenerateRequest, model: MemberModel
) -> Body:
    body: Body = {}
    if request.HasField("cache_salt"):
        body["cache_salt"] = request.cache_salt
    # It has had its effect in the gateway's queue; a member may know it, and need not.
    if request.priority and "priority" in model.extra_fields:
        body["priority"] = request.priority
    return body


def _streaming(stream: bool) -> Body:
    return {"stream": True, "stream_options": {"include_usage": True}} if stream else {}


def unknown_fields(
    request: chat_pb2.ChatRequest | inference_pb2.GenerateRequest,
) -> Iterator[tuple[str, str]]:
    """The fields of a request that go beyond the OpenAI API: their names there, and their places
    in rostra.v1. One that asks for what happens anyway is none."""
    sampling = request.sampling
    given = {field.name: value for field, value in sampling.ListFields()}
    for name in _BEYOND:
        if name in given and (given[name] or name not in _IDLE):
            yield name, f"sampling.{name}"
    if request.structured_output.WhichOneof("form") in ("regex", "choices", "lark"):
        yield "structured_outputs", "structured_output"
    if request.HasField("cache_salt"):
        yield "cache_salt", "cache_salt"
    if isinstance(request, chat_pb2.ChatRequest):
        yield from _unknown_fields_of_chat(request)


def _unknown_fields_of_chat(request: chat_pb2.ChatRequest) -> Iterator[tuple[str, str]]:
    for name in sorted(request.template_variables):
        if name != "reasoning_effort":
            yield "chat_template_kwargs", f"template_variables[{name}]"
    if request.continue_final_message:
        yield "continue_final_message", "continue_final_message"
        yield "add_generation_prompt", "continue_final_message"
    elif request.HasField("add_generation_prompt") and not request.add_generation_prompt:
        yield "add_generation_prompt", "add_generation_prompt"
    for number, message in enumerate(request.messages):
        if message.reasoning:
            yield "reasoning_content", f"messages[{number}].reasoning"
