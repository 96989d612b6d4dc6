"""The load generator against a server whose timing is known."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.load import Client, Outcome, Shape, closed_loop, open_loop
from benchmarks.serve import measure, median_run, percentiles, summarise

SHAPE = Shape("m", prompt_words=5, max_tokens=3, ignore_eos=True, temperature=0.0, seed=1)


class Scripted:
    """Streams three pieces; fails where `broken` says how; counts who is there at once."""

    def __init__(self, broken=None):
        self.broken = broken
        self.bodies = []
        self.now = self.most = 0

    async def answer(self, request):
        self.bodies.append(await request.json())
        if self.broken == "status":
            return web.json_response({"error": {"message": "no"}}, status=503)
        self.now += 1
        self.most = max(self.most, self.now)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for number in range(3):
            await asyncio.sleep(0.01)
            event = {"choices": [{"delta": {"content": f"{number}"}}]}
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        if self.broken == "event":
            await response.write(b'data: {"error": {"message": "lost"}}\n\n')
            return response
        usage = {"prompt_tokens": 7, "completion_tokens": 3}
        await response.write(f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n".encode())
        if self.broken != "cut":
            await response.write(b"data: [DONE]\n\n")
        self.now -= 1
        return response


async def run(scripted, load):
    app = web.Application()
    app.router.add_post("/v1/chat/completions", scripted.answer)
    async with TestServer(app) as server, Client(str(server.make_url("/v1")), None, 10) as client:
        return await load(client)


@pytest.mark.parametrize("streams", [1, 4])
async def test_closed_loop_keeps_so_many_at_once(streams):
    scripted = Scripted()
    outcomes = await run(
        scripted, lambda c: closed_loop(c, SHAPE.bodies(), streams, 8, lambda: None)
    )
    assert len(outcomes) == 8
    assert scripted.most == streams
    summary = summarise(outcomes)
    assert (summary["failed"], summary["prompt_tokens"], summary["completion_tokens"]) == (
        0,
        56,
        24,
    )
    assert summary["tokens_per_second"] == pytest.approx(24 / summary["seconds"])
    assert summary["time_to_first_token"]["p50"] >= 0.01
    assert len({json.dumps(body["messages"]) for body in scripted.bodies}) == 8


async def test_open_loop_does_not_wait_for_answers():
    scripted = Scripted()
    outcomes = await run(
        scripted, lambda c: open_loop(c, SHAPE.bodies(), 2000.0, 8, 1, lambda: None)
    )
    assert len(outcomes) == 8
    assert scripted.most > 1


@pytest.mark.parametrize(
    ("broken", "message"), [("status", "503"), ("event", "lost"), ("cut", "[DONE]")]
)
async def test_failures_are_counted_and_named(broken, message):
    outcomes = await run(
        Scripted(broken), lambda c: closed_loop(c, SHAPE.bodies(), 1, 2, lambda: None)
    )
    summary = summarise(outcomes)
    assert summary["failed"] == 2
    assert message in summary["errors"][0]
    assert summary["completion_tokens"] == 0


async def test_no_prompt_is_sent_twice_whatever_is_measured_and_how_often():
    scripted = Scripted()
    loads = [("streams", 1.0), ("streams", 4.0), ("rate", 1000.0)]
    runs = await run(scripted, lambda c: measure(c, SHAPE, loads, requests=5, repeats=2))
    asked = [body["messages"][0]["content"] for body in scripted.bodies]
    assert len(asked) == len(set(asked)) == 1 + 2 * 3 * 5
    summaries = [summary for repeats in runs.values() for summary in repeats]
    assert [(each["failed"], each["completion_tokens"]) for each in summaries] == [(0, 15)] * 6


def test_latencies():
    outcome = Outcome(sent=10.0, events=[10.5, 10.6, 11.0], ended=11.1)
    assert outcome.first_token == 0.5
    assert outcome.gaps == pytest.approx([0.1, 0.4])
    assert percentiles(list(range(101))) == {"mean": 50, "p50": 50, "p95": 95, "p99": 99}
    assert percentiles([]) == {}


def test_the_median_run():
    runs = [{"tokens_per_second": speed} for speed in (5, 1, 3)]
    assert median_run(runs) == {"tokens_per_second": 3}
