"""POST /v1/messages and /v1/messages/count_tokens."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from rostra.gateway.answers.anthropic import MessageEvents, whole_message
from rostra.gateway.answers.anthropic_errors import error_event
from rostra.gateway.event_stream import Batch, EventForm, respond_with_events
from rostra.gateway.keys import DISPATCHER, EXCHANGE, SETTINGS
from rostra.gateway.large_work import beside_the_loop
from rostra.gateway.request_body import read_body
from rostra.gateway.schemas.anthropic import CountTokensRequest, MessagesRequest
from rostra.gateway.to_proto.anthropic import (
    MessagesNames,
    count_tokens_request,
    messages_request,
)
from rostra.gateway.translated import translated


async def create_message(request: web.Request) -> web.StreamResponse:
    exchange = request[EXCHANGE]
    timeout = request.app[SETTINGS].body_timeout
    body = await read_body(request, MessagesRequest, timeout)
    exchange.stream = bool(body.stream)
    message_id = f"msg_{uuid.uuid4().hex}"
    proto = await beside_the_loop(exchange.body_bytes, lambda: messages_request(body, message_id))
    call = request.app[DISPATCHER].chat(proto, exchange, MessagesNames(body), hold=not body.stream)
    events = MessageEvents(
        message_id,
        tools=body.may_call,
        show_thinking=body.thinking is None or body.thinking.display != "omitted",
    )

    if not body.stream:
        collected: list[dict[str, Any]] = []
        async with aclosing(call.messages()) as messages:
            async for message in messages:
                collected += events.of(message, call.model)
        answer = whole_message(collected + events.end())
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    async def batches() -> AsyncGenerator[Batch, None]:
        async with aclosing(
            translated(call, lambda message: events.of(message, call.model))
        ) as translation:
            async for batch in translation:
                yield batch
        yield events.end()

    form = EventForm(
        error=partial(error_event, request_id=exchange.request_id), named=True, end=b""
    )
    return await respond_with_events(request, batches(), exchange, form)


async def count_tokens(request: web.Request) -> web.Response:
    body = await read_body(request, CountTokensRequest, request.app[SETTINGS].body_timeout)
    exchange = request[EXCHANGE]
    proto = await beside_the_loop(exchange.body_bytes, lambda: count_tokens_request(body))
    call = request.app[DISPATCHER].tokenize(proto, exchange, MessagesNames(body))
    response = await call.only_message()
    answer = {"input_tokens": len(response.tokens)}
    return web.Response(body=orjson.dumps(answer), content_type="application/json")
