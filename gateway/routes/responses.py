"""POST /v1/responses."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson
from aiohttp import web

from rostra.gateway.answers.responses import ResponseAnswer
from rostra.gateway.errors import ApiError
from rostra.gateway.event_stream import Batch, EventForm, respond_with_events
from rostra.gateway.keys import DISPATCHER, EXCHANGE, RESPONSES, SETTINGS
from rostra.gateway.large_work import beside_the_loop, in_thread
from rostra.gateway.request_body import read_body
from rostra.gateway.response_context import Context, read_context
from rostra.gateway.response_store import ResponseStore, StoredResponse, owner_of
from rostra.gateway.schemas.responses import ResponseRequest
from rostra.gateway.to_proto.responses import ResponseNames, response_chat_request
from rostra.gateway.translated import translated


async def create_response(request: web.Request) -> web.StreamResponse:
    exchange, store = request[EXCHANGE], request.app[RESPONSES]
    body = await read_body(request, ResponseRequest, request.app[SETTINGS].body_timeout)
    exchange.stream = bool(body.stream)
    keep = _is_kept(body, store)
    owner = owner_of(exchange)
    context = await in_thread(lambda: read_context(body, store, owner))
    answer = ResponseAnswer(body, store=keep)
    proto = await beside_the_loop(
        exchange.body_bytes + context.recalled_bytes,
        lambda: response_chat_request(body, context.items, answer.id),
    )
    call = request.app[DISPATCHER].chat(
        proto,
        exchange,
        ResponseNames(body),
        hold=not body.stream,
    )

    def end() -> dict[str, Any]:
        response = answer.end()
        if keep:
            _keep(response, context, store, owner)
        return response

    if not body.stream:
        async with aclosing(call.messages()) as messages:
            async for message in messages:
                answer.of(message, call.model.name)
        return web.Response(body=orjson.dumps(end()), content_type="application/json")

    async def batches() -> AsyncGenerator[Batch, None]:
        try:
            async with aclosing(
                translated(call, lambda message: answer.of(message, call.model.name))
            ) as translation:
                async for batch in translation:
                    yield batch
            response = end()
        except ApiError as error:
            if answer.begun:
                yield [answer.failed_event(error)]
            raise
        yield [answer.last_event(response)]

    form = EventForm(error=answer.error_event, named=True, end=b"")
    return await respond_with_events(request, batches(), exchange, form)


def _is_kept(body: ResponseRequest, store: ResponseStore) -> bool:
    if body.store and not store.enabled:
        raise ApiError(
            400,
            "store can only be False here, or left out: this gateway stores no responses",
            param="store",
            code="unsupported_parameter",
        )
    return body.store is not False and store.enabled


def _keep(response: dict[str, Any], context: Context, store: ResponseStore, owner: str) -> None:
    """Says in the response that it is not stored where it is too large for that."""
    stored = StoredResponse(
        id=response["id"],
        previous_id=response["previous_response_id"],
        body=orjson.dumps(response),
        item_ids=tuple(item["id"] for item in response["output"]),
        input=orjson.dumps(context.own),
        owner=owner,
    )
    response["store"] = store.fits(stored.size)
    store.put(stored)
