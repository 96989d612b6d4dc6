"""POST /v1/chat/completions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

import orjson
from aiohttp import web

from rostra.gateway.answers.chat import ChatChoices, whole_choices
from rostra.gateway.answers.envelope import Envelope
from rostra.gateway.event_stream import Batch, Event, respond_with_events
from rostra.gateway.keys import DISPATCHER, EXCHANGE, SETTINGS
from rostra.gateway.large_work import beside_the_loop
from rostra.gateway.request_body import read_body
from rostra.gateway.schemas.chat import ChatCompletionRequest
from rostra.gateway.to_proto.chat import ChatNames, chat_request
from rostra.gateway.translated import translated
from rostra.v1 import chat_pb2


async def chat_completions(request: web.Request) -> web.StreamResponse:
    exchange = request[EXCHANGE]
    timeout = request.app[SETTINGS].body_timeout
    body = await read_body(request, ChatCompletionRequest, timeout)
    exchange.stream = bool(body.stream)
    envelope = Envelope(
        "chatcmpl", "chat.completion", "chat.completion.chunk", include_usage=body.include_usage
    )
    proto = await beside_the_loop(exchange.body_bytes, lambda: chat_request(body, envelope.id))
    call = request.app[DISPATCHER].chat(proto, exchange, ChatNames(body), hold=not body.stream)
    choices = ChatChoices(
        body.num_outputs,
        logprobs=bool(body.logprobs),
        tools=body.may_call,
        as_function=bool(body.functions),
    )

    if not body.stream:
        chunks: list[dict[str, Any]] = []
        async with aclosing(call.messages()) as messages:
            async for message in messages:
                chunks += choices.of(message)
        answer = whole_choices(chunks, body.num_outputs)
        payload = envelope.whole(call.model, answer, [choices.end()])
        return web.Response(body=orjson.dumps(payload), content_type="application/json")

    def chunks_of(message: chat_pb2.ChatResponse) -> Iterable[Event]:
        return [envelope.chunk(call.model, choice) for choice in choices.of(message)]

    async def events() -> AsyncGenerator[Batch, None]:
        async with aclosing(translated(call, chunks_of)) as batches:
            async for batch in batches:
                yield batch
        usage = choices.end()
        if body.include_usage:
            yield [envelope.usage_chunk(call.model, [usage])]

    return await respond_with_events(request, events(), exchange)
