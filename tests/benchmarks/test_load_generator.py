"""The load generator against a server that notes what it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.load import Client, Shape
from benchmarks.serve import measure

SHAPE = Shape("m", prompt_words=8, max_tokens=2, ignore_eos=True, temperature=0.0, seed=0)


@asynccontextmanager
async def server(asked: list[str], *, whole: bool) -> AsyncIterator[Client]:
    def event(payload: Any) -> bytes:
        return b"data: " + orjson.dumps(payload) + b"\n\n"

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append((await request.json())["messages"][0]["content"])
        response = web.StreamResponse()
        await response.prepare(request)
        for word in ("one", " two"):
            await response.write(event({"choices": [{"delta": {"content": word}}]}))
        usage = {"prompt_tokens": 8, "completion_tokens": 2}
        await response.write(event({"choices": [], "usage": usage}))
        if whole:
            await response.write(b"data: [DONE]\n\n")
        return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    async with TestServer(app) as running, Client(str(running.make_url("/v1")), None, 10) as client:
        yield client


async def test_no_prompt_is_sent_twice_whatever_is_measured_and_how_often() -> None:
    asked: list[str] = []
    loads = [("streams", 1.0), ("streams", 4.0), ("rate", 1000.0)]
    async with server(asked, whole=True) as client:
        runs = await measure(client, SHAPE, loads, requests=5, repeats=2)
    assert len(asked) == len(set(asked)) == 1 + 2 * 3 * 5
    summaries = [run for repeats in runs.values() for run in repeats]
    assert [(run["failed"], run["completion_tokens"]) for run in summaries] == [(0, 10)] * 6


async def test_an_answer_that_is_cut_off_is_a_failure() -> None:
    async with server([], whole=False) as client:
        outcome = await client.send(next(SHAPE.bodies()))
    assert outcome.error is not None
    assert "[DONE]" in outcome.error
