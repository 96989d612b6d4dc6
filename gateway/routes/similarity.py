"""POST /v1/score and /v1/rerank, also under the paths of other servers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from aiohttp import web

from rostra.gateway.answers.similarity import cosines, ranking, score_list
from rostra.gateway.keys import DISPATCHER, EXCHANGE, SETTINGS
from rostra.gateway.request_body import read_body
from rostra.gateway.schemas.similarity import RerankRequest, ScoreRequest
from rostra.gateway.to_proto.similarity import FieldText, pairs


async def score(request: web.Request) -> web.Response:
    body = await read_body(request, ScoreRequest, request.app[SETTINGS].body_timeout)
    answer_id = f"score-{uuid.uuid4().hex}"
    found = await _compare(request, body.model, answer_id, body.firsts, body.seconds)
    answer = score_list(answer_id, found.model, found.similarities, found.prompt_tokens)
    return web.Response(body=orjson.dumps(answer), content_type="application/json")


async def rerank(request: web.Request) -> web.Response:
    body = await read_body(request, RerankRequest, request.app[SETTINGS].body_timeout)
    answer_id = f"rerank-{uuid.uuid4().hex}"
    texts = body.texts
    documents = [(f"documents[{position}]", text) for position, text in enumerate(texts)]
    found = await _compare(request, body.model, answer_id, [("query", body.query)], documents)
    answer = ranking(
        answer_id,
        found.model,
        found.similarities,
        None if body.return_documents is False else texts,
        body.top_n,
        found.prompt_tokens,
    )
    return web.Response(body=orjson.dumps(answer), content_type="application/json")


@dataclass
class _Comparison:
    similarities: list[float]
    model: str = ""
    prompt_tokens: int = 0
    """As many as were computed: a text that is in several requests counts in each."""


async def _compare(
    request: web.Request,
    model: str,
    answer_id: str,
    firsts: Sequence[FieldText],
    seconds: Sequence[FieldText],
) -> _Comparison:
    """One request to a worker after the other: the vectors of one are in memory at a time."""
    comparison = _Comparison([])
    for number, some in enumerate(pairs(firsts, seconds)):
        call = request.app[DISPATCHER].embed(
            some.request(model, f"{answer_id}-{number}"), request[EXCHANGE], some.names()
        )
        response = await call.only_message()
        comparison.model = call.model.name
        # Millions of numbers are possible, and must not hold up everybody's streams.
        comparison.similarities += await asyncio.to_thread(
            cosines, response, len(some.firsts), len(some.seconds)
        )
        comparison.prompt_tokens += response.usage.prompt_tokens
    return comparison
