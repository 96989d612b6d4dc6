"""How often a request is tried again: with a pause, within a budget, and never twice in vain."""

from __future__ import annotations

import time
from typing import Any

import grpc
from gateway_harness import ScriptedWorker, gateway_before, refuse, refuses, says
from grpc import StatusCode

from rostra.gateway.failover.budget import RetryBudget, RetryBudgets
from rostra.gateway.failover.settings import FailoverSettings

CHAT = "/v1/chat/completions"
HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
CALM = {"breaker_min_calls": 10_000}


def test_a_budget_is_a_share_of_the_requests_and_some_a_second() -> None:
    now = [0.0]
    settings = FailoverSettings(retry_ratio=0.25, retry_rate=2.0, retry_burst=3.0)
    budget = RetryBudget(settings, lambda: now[0])
    assert [budget.withdraw() for _ in range(4)] == [True, True, True, False]
    for _ in range(8):
        budget.deposit()
    assert [budget.withdraw() for _ in range(3)] == [True, True, False]
    now[0] += 1.0
    assert [budget.withdraw() for _ in range(3)] == [True, True, False]
    now[0] += 1000.0
    assert [budget.withdraw() for _ in range(4)] == [True, True, True, False]


def test_each_model_has_its_own_budget() -> None:
    budgets = RetryBudgets(FailoverSettings(retry_burst=1.0, retry_rate=0.0))
    assert budgets.of("a").withdraw()
    assert not budgets.of("a").withdraw()
    assert budgets.of("b").withdraw()


async def test_an_outage_is_not_multiplied() -> None:
    failover = {**CALM, "retry_ratio": 0.1, "retry_rate": 0.0, "retry_burst": 5.0}
    async with (
        ScriptedWorker(refuses(StatusCode.UNAVAILABLE)) as worker,
        gateway_before([worker.address], failover=failover) as client,
    ):
        for _ in range(40):
            response = await client.post(CHAT, json=HELLO)
            assert response.status == 503
            assert (await response.json())["error"]["code"] == "no_worker_available"
        # Five saved up, and a tenth of forty.
        assert 40 + 8 <= len(worker.requests) <= 40 + 9
        text = await (await client.get("/metrics")).text()
        assert 'rostra_gateway_retries_over_budget_total{model="tiny"}' in text


async def test_a_worker_that_leaves_costs_no_budget() -> None:
    failover = {**CALM, "retry_ratio": 0.0, "retry_rate": 0.0, "retry_burst": 0.5}
    async with (
        ScriptedWorker(refuses(StatusCode.UNAVAILABLE, reason="draining")) as leaving,
        ScriptedWorker() as staying,
        gateway_before([leaving.address, staying.address], failover=failover) as client,
    ):
        for _ in range(20):
            assert (await client.post(CHAT, json=HELLO)).status == 200
        assert leaving.requests
        staying.script = refuses(StatusCode.UNAVAILABLE)
        assert (await client.post(CHAT, json=HELLO)).status == 503


async def test_what_the_worker_asks_for_is_waited_for_where_nobody_else_is() -> None:
    asked: list[float] = []

    async def first_busy(request: Any, context: grpc.aio.ServicerContext) -> Any:
        asked.append(time.monotonic())
        if len(asked) == 1:
            await refuse(context, StatusCode.UNAVAILABLE, retry_after=0.5)
        async for message in says(["ok"])(request, context):
            yield message

    async with (
        ScriptedWorker(first_busy) as worker,
        gateway_before([worker.address], worker_wait=5.0) as client,
    ):
        assert (await client.post(CHAT, json=HELLO)).status == 200
        assert asked[1] - asked[0] >= 0.5


async def test_what_is_longer_than_a_request_waits_is_told_to_the_client() -> None:
    async with (
        ScriptedWorker(refuses(StatusCode.UNAVAILABLE, retry_after=7)) as worker,
        gateway_before([worker.address], worker_wait=0.3) as client,
    ):
        response = await client.post(CHAT, json=HELLO)
        assert response.status == 503
        assert response.headers["Retry-After"] == "7"
        assert len(worker.requests) == 1
