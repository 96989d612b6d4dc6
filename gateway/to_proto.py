"""From requests of the OpenAI API to requests of rostra.v1. What is unset stays unset."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from rostra.gateway.schemas.chat import ChatCompletionRequest
from rostra.gateway.schemas.completions import DEFAULT_MAX_TOKENS, CompletionRequest
from rostra.gateway.schemas.embeddings import EmbeddingsRequest
from rostra.gateway.schemas.fields import SamplingFields
from rostra.gateway.schemas.messages import Message
from rostra.v1 import chat_pb2, inference_pb2, sampling_pb2

_ROLES = {
    "system": chat_pb2.ROLE_SYSTEM,
    "developer": chat_pb2.ROLE_DEVELOPER,
    "user": chat_pb2.ROLE_USER,
    "assistant": chat_pb2.ROLE_ASSISTANT,
    "tool": chat_pb2.ROLE_TOOL,
}


def chat_request(body: ChatCompletionRequest, request_id: str) -> chat_pb2.ChatRequest:
    sampling = _sampling(body)
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


def generate_request(
    body: CompletionRequest, prompt: str | list[int], request_id: str
) -> inference_pb2.GenerateRequest:
    sampling = _sampling(body)
    sampling.max_tokens = DEFAULT_MAX_TOKENS if body.max_tokens is None else body.max_tokens
    if body.logprobs is not None:
        sampling.logprobs = body.logprobs
        if body.echo:
            sampling.prompt_logprobs = body.logprobs
    request = inference_pb2.GenerateRequest(
        model=body.model,
        sampling=sampling,
        cache_salt=body.cache_salt,
        priority=body.priority,
        request_id=request_id,
    )
    if isinstance(prompt, str):
        request.text = prompt
    else:
        request.tokens.ids.extend(prompt)
    return request


def embed_request(
    body: EmbeddingsRequest, inputs: Iterable[str | list[int]], request_id: str
) -> inference_pb2.EmbedRequest:
    return inference_pb2.EmbedRequest(
        model=body.model,
        inputs=[
            inference_pb2.EmbedInput(text=each)
            if isinstance(each, str)
            else inference_pb2.EmbedInput(tokens=inference_pb2.TokenIds(ids=each))
            for each in inputs
        ],
        dimensions=body.dimensions,
        request_id=request_id,
    )


def _sampling(body: SamplingFields) -> sampling_pb2.SamplingParams:
    return sampling_pb2.SamplingParams(
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=None if body.top_k is None else max(0, body.top_k),
        min_p=body.min_p,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        repetition_penalty=body.repetition_penalty,
        logit_bias=body.logit_bias,
        # Negative seeds are legal in the OpenAI API; they become their two's complement.
        seed=None if body.seed is None else body.seed % 2**64,
        stop=body.stop_strings,
        stop_token_ids=body.stop_token_ids,
        ignore_eos=body.ignore_eos,
        min_tokens=body.min_tokens,
        n=body.n,
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
