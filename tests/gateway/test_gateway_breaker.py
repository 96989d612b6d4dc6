"""A worker that fails what it is asked is left alone, and tried again one request at a time."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, eventually, gateway_before, refuses, says
from grpc import StatusCode

from rostra.gateway.failover.breaker import Breaker
from rostra.gateway.failover.faults import Fault
from rostra.gateway.failover.settings import FailoverSettings
from rostra.gateway.keys import FLEET

CHAT = "/v1/chat/completions"
HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def changes() -> list[str]:
    return []


@pytest.fixture
def breaker(clock: Clock, changes: list[str]) -> Breaker:
    settings = FailoverSettings(breaker_min_calls=4, breaker_ratio=0.5, breaker_pause=2.0)
    return Breaker(settings, lambda: changes.append("x"), random.Random(1), clock)


def call(breaker: Breaker, *, failed: bool) -> None:
    trial = breaker.begin()
    if failed:
        trial.failed(Fault("no"))
    else:
        trial.succeeded()


def test_a_fault_that_lasts_opens_it_at_once(breaker: Breaker, clock: Clock) -> None:
    for _ in range(3):
        call(breaker, failed=False)
    breaker.begin().failed(Fault("its key is refused", lasting=True))
    assert (breaker.state, breaker.fault) == ("open", "its key is refused")
    clock.now += 60.0
    breaker.begin().answered()
    assert breaker.state == "closed"


def open_it(breaker: Breaker) -> None:
    for _ in range(4):
        call(breaker, failed=True)


def test_few_calls_say_nothing(breaker: Breaker) -> None:
    for _ in range(3):
        call(breaker, failed=True)
    assert (breaker.state, breaker.wait) == ("closed", 0.0)
    call(breaker, failed=True)
    assert breaker.state == "open"
    assert 1.5 <= breaker.wait <= 2.5
    assert breaker.fault == "no"


def test_the_share_of_failures_decides(breaker: Breaker) -> None:
    for _ in range(6):
        call(breaker, failed=False)
    for _ in range(5):
        call(breaker, failed=True)
        assert breaker.state == "closed"
    call(breaker, failed=True)
    assert breaker.state == "open"


def test_what_is_long_ago_is_forgotten(breaker: Breaker, clock: Clock) -> None:
    for _ in range(40):
        call(breaker, failed=True)
        clock.now += 11.0
        assert breaker.state == "closed"


def test_calls_that_say_nothing_never_count(breaker: Breaker) -> None:
    for _ in range(50):
        breaker.begin().abandon()
    for _ in range(3):
        call(breaker, failed=True)
    assert breaker.state == "closed"


def test_one_call_tries_it_and_closes_it(
    breaker: Breaker, clock: Clock, changes: list[str]
) -> None:
    open_it(breaker)
    clock.now += 3.0
    assert (breaker.state, breaker.wait) == ("half-open", 0.0)
    probe = breaker.begin()
    assert breaker.wait == math.inf
    breaker.begin().failed(Fault("one that began at the same moment is not the one that tries"))
    assert (breaker.state, breaker.wait) == ("half-open", math.inf)
    assert changes == []
    probe.answered()
    assert (breaker.state, breaker.wait) == ("closed", 0.0)
    assert changes == ["x"]
    probe.failed(Fault("after the first token"))
    assert breaker.state == "closed"


def test_a_failed_try_opens_it_for_longer(breaker: Breaker, clock: Clock) -> None:
    open_it(breaker)
    for pause in (4.0, 8.0, 16.0, 30.0, 30.0):
        clock.now += breaker.wait
        breaker.begin().failed(Fault("still"))
        assert 0.75 * pause <= breaker.wait <= 1.25 * pause
    clock.now += breaker.wait
    breaker.begin().succeeded()
    open_it(breaker)
    assert breaker.wait <= 2.5


def test_a_try_that_says_nothing_makes_room_for_another(
    breaker: Breaker, clock: Clock, changes: list[str]
) -> None:
    open_it(breaker)
    clock.now += 3.0
    breaker.begin().abandon()
    assert (breaker.state, breaker.wait) == ("half-open", 0.0)
    assert changes == ["x"]


def test_calls_from_before_it_opened_do_not_touch_it(breaker: Breaker, clock: Clock) -> None:
    early = [breaker.begin() for _ in range(3)]
    open_it(breaker)
    early[0].succeeded()
    clock.now += 3.0
    probe = breaker.begin()
    early[1].failed(Fault("late"))
    early[2].answered()
    assert breaker.wait == math.inf
    probe.succeeded()
    assert breaker.state == "closed"


def test_another_process_is_not_blamed(breaker: Breaker) -> None:
    open_it(breaker)
    breaker.reset()
    assert (breaker.state, breaker.wait) == ("closed", 0.0)


def fault(client: TestClient, worker: ScriptedWorker) -> str:
    assert client.app is not None
    (link,) = [link for link in client.app[FLEET] if link.address == worker.address]
    assert link.breaker is not None
    return link.breaker.fault


SHORT = {"breaker_min_calls": 4, "breaker_pause": 60.0, "breaker_longest_pause": 60.0}


async def test_a_worker_that_fails_is_left_alone() -> None:
    async with (
        ScriptedWorker(refuses(StatusCode.UNAVAILABLE)) as bad,
        ScriptedWorker() as good,
        gateway_before([bad.address, good.address], failover=SHORT) as client,
    ):
        for _ in range(40):
            assert (await client.post(CHAT, json=HELLO)).status == 200
        assert len(bad.requests) == 4
        assert "UNAVAILABLE" in fault(client, bad)
        text = await (await client.get("/metrics")).text()
        assert f'breaker_open{{worker="{bad.address}"}} 1.0' in text
        assert f'breaker_open{{worker="{good.address}"}} 0.0' in text


@pytest.mark.parametrize(
    "script",
    [
        refuses(StatusCode.INVALID_ARGUMENT),
        refuses(StatusCode.NOT_FOUND),
        refuses(StatusCode.ALREADY_EXISTS),
        refuses(StatusCode.UNIMPLEMENTED),
        refuses(StatusCode.DEADLINE_EXCEEDED),
        refuses(StatusCode.CANCELLED),
        refuses(StatusCode.ABORTED),
        refuses(StatusCode.RESOURCE_EXHAUSTED, retry_after=1.0),
        refuses(StatusCode.UNAVAILABLE, reason="draining"),
    ],
)
async def test_what_is_no_fault_never_counts(script: Any) -> None:
    async with (
        ScriptedWorker(script) as worker,
        gateway_before([worker.address], failover=SHORT) as client,
    ):
        for _ in range(6):
            assert (await client.post(CHAT, json=HELLO)).status != 200
        assert fault(client, worker) == ""


async def test_clients_that_leave_never_count() -> None:
    async with (
        ScriptedWorker(says(["a"] * 1000, pause=0.01)) as worker,
        gateway_before([worker.address], failover=SHORT) as client,
    ):
        for _ in range(6):
            response = await client.post(CHAT, json={**HELLO, "stream": True})
            response.close()
        await eventually(lambda: worker.running == 0)
        assert fault(client, worker) == ""


async def test_nobody_left_is_said_at_once_and_tried_again() -> None:
    settings = {**SHORT, "breaker_pause": 0.4, "breaker_longest_pause": 0.4}
    async with (
        ScriptedWorker(refuses(StatusCode.INTERNAL)) as worker,
        gateway_before([worker.address], failover=settings, worker_wait=0.0) as client,
    ):
        for _ in range(4):
            assert (await client.post(CHAT, json=HELLO)).status == 502
        response = await client.post(CHAT, json=HELLO)
        assert response.status == 503
        assert (await response.json())["error"]["code"] == "no_worker_available"
        assert response.headers["Retry-After"] == "1"
        assert len(worker.requests) == 4
        worker.script = says(["ok"])
        async with asyncio.timeout(30):
            while (await client.post(CHAT, json=HELLO)).status != 200:
                await asyncio.sleep(0.05)
        assert fault(client, worker) == ""
        assert len(worker.requests) == 5


async def test_a_request_waits_for_the_next_try() -> None:
    settings = {**SHORT, "breaker_pause": 0.3, "breaker_longest_pause": 0.3}
    async with (
        ScriptedWorker(refuses(StatusCode.INTERNAL)) as worker,
        gateway_before([worker.address], failover=settings, worker_wait=20.0) as client,
    ):
        for _ in range(4):
            await client.post(CHAT, json=HELLO)
        worker.script = says(["ok"])
        answers = await asyncio.gather(*(client.post(CHAT, json=HELLO) for _ in range(5)))
        assert [answer.status for answer in answers] == [200] * 5
