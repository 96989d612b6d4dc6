"""What a worker says when it answers with reasoning, text and calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import grpc
from gateway_harness import Script, usage

from rostra.v1 import chat_pb2, tokens_pb2

USER: Any = {"role": "user", "content": "hi"}
WEATHER: Any = {
    "name": "weather",
    "description": "Of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def blocks(
    *, thinking: str = "", text: str = "", calls: Iterable[Sequence[str]] = ()
) -> list[chat_pb2.ChatDelta]:
    """Each call is its name and the pieces of its arguments."""
    deltas = []
    if thinking:
        deltas.append(chat_pb2.ChatDelta(reasoning=thinking))
    if text:
        deltas.append(chat_pb2.ChatDelta(content=text))
    for index, (name, *pieces) in enumerate(calls):
        begins = chat_pb2.ToolCallDelta(index=index, id=f"call_{index}", name=name)
        deltas.append(chat_pb2.ChatDelta(tool_calls=[begins]))
        deltas += [
            chat_pb2.ChatDelta(tool_calls=[chat_pb2.ToolCallDelta(index=index, arguments=piece)])
            for piece in pieces
        ]
    return deltas


def answers(
    deltas: Sequence[chat_pb2.ChatDelta],
    finish: tokens_pb2.Finish | int = tokens_pb2.FINISH_REASON_STOP,
) -> Script:
    """Says these, one message each, and then the finish."""
    if not isinstance(finish, tokens_pb2.Finish):
        finish = tokens_pb2.Finish(reason=finish)
    used = usage()
    used.reasoning_tokens = 1

    async def script(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        yield chat_pb2.ChatResponse(request_id=request.request_id, prompt_tokens=3)
        for delta in deltas:
            yield chat_pb2.ChatResponse(delta=delta)
        yield chat_pb2.ChatResponse(finish=finish, usage=used)

    return script
