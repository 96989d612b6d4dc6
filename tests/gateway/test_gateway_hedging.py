"""A second worker is asked where the first is slow to begin; the slower is let go at once."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from gateway_harness import ScriptedWorker, eventually, gateway_before, refuse, says
from grpc import StatusCode

from rostra.v1 import chat_pb2

CHAT = "/v1/chat/completions"
HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
HEDGE = {"hedge_after": 0.05}


def slow(words: list[str], seconds: float = 60.0) -> Any:
    async def script(request: Any, context: grpc.aio.ServicerContext) -> Any:
        yield chat_pb2.ChatResponse(request_id=request.request_id, prompt_tokens=3)
        await asyncio.sleep(seconds)
        async for message in says(words)(request, context):
            if not message.HasField("request_id"):
                yield message

    return script


async def answers(client: Any, stream: bool) -> str:
    response = await client.post(CHAT, json={**HELLO, "stream": stream})
    assert response.status == 200
    return await response.text()


@pytest.mark.parametrize("stream", [False, True])
async def test_the_one_that_begins_first_answers(stream: bool) -> None:
    async with (
        ScriptedWorker(slow(["slow"])) as stuck,
        ScriptedWorker(says(["fast"])) as free,
        gateway_before([stuck.address, free.address], failover=HEDGE) as client,
    ):
        while not stuck.requests:
            assert "fast" in await answers(client, stream)
        await eventually(lambda: stuck.running == 0)
        assert free.requests[-1].request_id == stuck.requests[-1].request_id + "-hedge"
        metrics = await (await client.get("/metrics")).text()
        assert 'rostra_gateway_hedges_total{model="tiny",winner="second"} 1.0' in metrics


async def test_the_first_may_still_win() -> None:
    async with (
        ScriptedWorker(slow(["first"], 0.5)) as first,
        ScriptedWorker(slow(["second"])) as second,
        gateway_before([first.address, second.address], failover=HEDGE) as client,
    ):
        assert "first" in await answers(client, True)
        await eventually(lambda: first.running == second.running == 0)
        assert len(first.requests) == len(second.requests) == 1


async def test_one_of_the_two_may_fail() -> None:
    async with (
        ScriptedWorker(slow(["slow"], 0.5)) as late,
        ScriptedWorker() as bad,
        gateway_before([late.address, bad.address], failover=HEDGE, max_attempts=1) as client,
    ):

        async def refuses(request: Any, context: grpc.aio.ServicerContext) -> Any:
            await asyncio.sleep(0.2)
            await refuse(context, StatusCode.UNAVAILABLE)
            yield chat_pb2.ChatResponse()

        bad.script = refuses
        for _ in range(6):
            assert "slow" in await answers(client, False)
        assert bad.requests


async def test_within_the_budget_and_never_by_default() -> None:
    nothing = {"retry_ratio": 0.0, "retry_rate": 0.0, "retry_burst": 0.5}
    for failover in (HEDGE | nothing, {}):
        async with (
            ScriptedWorker(slow(["a"], 0.3)) as first,
            ScriptedWorker(slow(["b"], 0.3)) as second,
            gateway_before([first.address, second.address], failover=failover) as client,
        ):
            await answers(client, True)
            assert len(first.requests) + len(second.requests) == 1


async def test_nobody_else_to_ask() -> None:
    async with (
        ScriptedWorker(slow(["a"], 0.3)) as only,
        gateway_before([only.address], failover=HEDGE) as client,
    ):
        await answers(client, True)
        assert len(only.requests) == 1


async def test_a_client_that_leaves_ends_both() -> None:
    async with (
        ScriptedWorker(slow(["a"])) as first,
        ScriptedWorker(slow(["b"])) as second,
        gateway_before([first.address, second.address], failover=HEDGE) as client,
    ):
        asking = asyncio.create_task(client.post(CHAT, json=HELLO))
        await eventually(lambda: first.running + second.running == 2)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await eventually(lambda: first.running + second.running == 0)
