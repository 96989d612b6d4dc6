"""/v1/chat/completions."""

from __future__ import annotations

import orjson

from rostra.gateway.rest_names import RestNames
from rostra.gateway.schemas.chat import ChatCompletionRequest
from rostra.gateway.schemas.messages import Message
from rostra.gateway.to_proto.sampling import sampling_params
from rostra.v1 import chat_pb2

_ROLES = {
    "system": chat_pb2.ROLE_SYSTEM,
    "developer": chat_pb2.ROLE_DEVELOPER,
    "user": chat_pb2.ROLE_USER,
    "assistant": chat_pb2.ROLE_ASSISTANT,
    "tool": chat_pb2.ROLE_TOOL,
}


class ChatNames(RestNames):
    def of(self, field: str) -> str:
        name = super().of(field)
        return {"logprobs": "top_logprobs", "template_variables": "chat_template_kwargs"}.get(
            name, name
        )


def chat_request(body: ChatCompletionRequest, request_id: str) -> chat_pb2.ChatRequest:
    sampling = sampling_params(body)
    max_tokens = body.max_completion_tokens or body.max_tokens
    if max_tokens is not None:
        sampling.max_tokens = max_tokens
    if body.logprobs:
        sampling.logprobs = body.top_logprobs or 0
    return chat_pb2.ChatRequest(
        model=body.model,
        messages=[_message(message) for message in body.messages],
        sampling=sampling,
        template_variables={
            name: orjson.dumps(value).decode()
            for name, value in (body.chat_template_kwargs or {}).items()
        },
        add_generation_prompt=body.add_generation_prompt,
        continue_final_message=body.continue_final_message,
        cache_salt=body.cache_salt,
        priority=body.priority,
        request_id=request_id,
    )


def _message(message: Message) -> chat_pb2.ChatMessage:
    return chat_pb2.ChatMessage(
        role=_ROLES[message.role],
        content=[chat_pb2.ContentPart(text=text) for text in message.texts],
        name=message.name,
        tool_calls=[
            chat_pb2.ToolCall(
                id=call.id, name=call.function.name, arguments=call.function.arguments
            )
            for call in message.tool_calls or ()
        ],
        tool_call_id=message.tool_call_id,
        reasoning=message.reasoning_content,
    )
