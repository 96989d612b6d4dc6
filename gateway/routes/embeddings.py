"""POST /v1/embeddings."""

from __future__ import annotations

import asyncio
import uuid

import orjson
from aiohttp import web

from rostra.gateway.answers.embeddings import embedding_list
from rostra.gateway.keys import DISPATCHER, EXCHANGE, SETTINGS
from rostra.gateway.large_work import beside_the_loop
from rostra.gateway.request_body import read_body
from rostra.gateway.schemas.embeddings import EmbeddingsRequest
from rostra.gateway.to_proto.embed import EmbeddingNames, embed_request


async def embeddings(request: web.Request) -> web.Response:
    timeout = request.app[SETTINGS].body_timeout
    body = await read_body(request, EmbeddingsRequest, timeout)
    exchange, inputs = request[EXCHANGE], body.inputs
    proto = await beside_the_loop(
        exchange.body_bytes, lambda: embed_request(body, inputs, f"embd-{uuid.uuid4().hex}")
    )
    call = request.app[DISPATCHER].embed(proto, exchange, EmbeddingNames())
    response = await call.only_message()

    def payload() -> bytes:
        as_base64 = body.encoding_format == "base64"
        return orjson.dumps(embedding_list(response, call.model, len(inputs), as_base64=as_base64))

    # Millions of numbers are possible, and must not hold up everybody's streams.
    return web.Response(body=await asyncio.to_thread(payload), content_type="application/json")
