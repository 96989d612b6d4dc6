"""A worker that answers whatever the gateway can ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gateway_harness import ScriptedWorker, finish, says, token, usage

from rostra.v1 import chat_pb2, inference_pb2, tokens_pb2


async def answers(request: Any, context: Any) -> AsyncIterator[Any]:
    match request:
        case chat_pb2.ChatRequest():
            async for message in _chat(request):
                yield message
        case inference_pb2.GenerateRequest():
            async for message in says(["Hello", " world"])(request, context):
                yield message
        case inference_pb2.EmbedRequest():
            size = min(request.dimensions or 4, 4)
            yield inference_pb2.EmbedResponse(
                embeddings=[
                    inference_pb2.Embedding(values=[1.0] + [0.0] * (size - 1))
                    for _ in request.inputs
                ],
                usage=tokens_pb2.Usage(prompt_tokens=len(request.inputs)),
            )
        case inference_pb2.TokenizeRequest():
            yield inference_pb2.TokenizeResponse(tokens=[token("hi")], max_model_len=128)
        case inference_pb2.DetokenizeRequest():
            yield inference_pb2.DetokenizeResponse(text="hi")


async def _chat(request: Any) -> AsyncIterator[Any]:
    outputs = request.sampling.n or 1
    yield chat_pb2.ChatResponse(request_id=request.request_id, prompt_tokens=3)
    for index in range(outputs):
        yield chat_pb2.ChatResponse(index=index, delta=chat_pb2.ChatDelta(reasoning="hm"))
        tokens = [token("Hello")] if request.sampling.HasField("logprobs") else []
        delta = chat_pb2.ChatDelta(content="Hello", tokens=tokens)
        yield chat_pb2.ChatResponse(index=index, delta=delta)
        last = usage() if index == outputs - 1 else None
        yield chat_pb2.ChatResponse(index=index, finish=finish(), usage=last)


class AnsweringWorker(ScriptedWorker):
    def __init__(self) -> None:
        super().__init__(answers)

    async def Tokenize(self, request: Any, context: Any) -> Any:
        return await self.Embed(request, context)

    async def Detokenize(self, request: Any, context: Any) -> Any:
        return await self.Embed(request, context)
