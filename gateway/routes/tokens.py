"""POST /tokenize and /detokenize, also under /v1."""

from __future__ import annotations

import asyncio

import orjson
from aiohttp import web

from rostra.gateway.keys import DISPATCHER, EXCHANGE, SETTINGS
from rostra.gateway.large_work import beside_the_loop
from rostra.gateway.request_body import read_body
from rostra.gateway.schemas.tokens import DetokenizeRequest, TokenizeRequest
from rostra.gateway.to_proto.tokens import (
    DetokenizeNames,
    TokenizeNames,
    detokenize_request,
    tokenize_request,
)


async def tokenize(request: web.Request) -> web.Response:
    body = await read_body(request, TokenizeRequest, request.app[SETTINGS].body_timeout)
    exchange = request[EXCHANGE]
    proto, names = await beside_the_loop(
        exchange.body_bytes, lambda: (tokenize_request(body), TokenizeNames(body))
    )
    call = request.app[DISPATCHER].tokenize(proto, exchange, names)
    response = await call.only_message()

    def payload() -> bytes:
        texts = [token.text for token in response.tokens] if body.return_token_strs else None
        return orjson.dumps(
            {
                "count": len(response.tokens),
                "max_model_len": response.max_model_len,
                "tokens": [token.id for token in response.tokens],
                "token_strs": texts,
            }
        )

    # A text may have millions of tokens, and must not hold up everybody's streams.
    return web.Response(body=await asyncio.to_thread(payload), content_type="application/json")


async def detokenize(request: web.Request) -> web.Response:
    body = await read_body(request, DetokenizeRequest, request.app[SETTINGS].body_timeout)
    exchange = request[EXCHANGE]
    proto = await beside_the_loop(exchange.body_bytes, lambda: detokenize_request(body))
    call = request.app[DISPATCHER].detokenize(proto, exchange, DetokenizeNames())
    response = await call.only_message()
    return web.Response(
        body=orjson.dumps({"prompt": response.text}), content_type="application/json"
    )
