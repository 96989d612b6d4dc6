"""The queue before the workers: its bounds, its order, and the time that a request has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, eventually, gateway_before, says

from rostra.gateway.admission.settings import AdmissionSettings
from rostra.gateway.api_keys import ApiKey, new_key
from rostra.gateway.deadline import BadTimeoutError, read_timeout
from rostra.gateway.key_file import entry
from rostra.gateway.keys import ADMISSION
from rostra.v1 import control_pb2

URL = "/v1/chat/completions"
WAITING = "rostra_gateway_queued_requests"


class SeatedWorker(ScriptedWorker):
    """Runs as many requests at once as it has seats, and says so; answers when it is let."""

    def __init__(self, seats: int = 1) -> None:
        super().__init__(self._held)
        self.seats = seats
        self.may_answer = asyncio.Semaphore(0)
        self.order: list[str] = []
        self.most = 0

    async def GetLoad(self, request: Any, context: Any) -> Any:
        return control_pb2.GetLoadResponse(
            running_requests=min(self.running, self.seats),
            waiting_requests=max(0, self.running - self.seats),
            max_running_requests=self.seats,
        )

    async def _held(self, request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        self.order.append(request.messages[0].content[0].text)
        self.most = max(self.most, self.running)
        await self.may_answer.acquire()
        async for message in says(["word"])(request, context):
            yield message

    def answer(self, number: int = 1) -> None:
        for _ in range(number):
            self.may_answer.release()


@asynccontextmanager
async def before_seats(
    seats: int = 1, keys: tuple[ApiKey, ...] = (), folder: Path | None = None, **settings: Any
) -> AsyncIterator[tuple[TestClient, SeatedWorker]]:
    given = {"worker_backlog": 0, **settings}
    more: dict[str, Any] = {}
    if folder is not None:
        more["api_keys"] = folder / "keys.toml"
        more["api_keys"].write_text("\n".join(map(entry, keys)))
    async with (
        SeatedWorker(seats) as worker,
        gateway_before(
            [worker.address], admission=AdmissionSettings(**given), load_timeout=10.0, **more
        ) as client,
    ):
        try:
            yield client, worker
        finally:
            worker.answer(1000)


def ask(
    client: TestClient,
    text: str,
    secret: str = "",
    headers: dict[str, str] | None = None,
    **body: Any,
) -> asyncio.Task[tuple[int, dict[str, Any], dict[str, str]]]:
    async def answered() -> tuple[int, dict[str, Any], dict[str, str]]:
        sent = dict(headers or {})
        if secret:
            sent["Authorization"] = f"Bearer {secret}"
        message = {"role": "user", "content": text}
        answer = await client.post(
            URL, json={"model": "tiny", "messages": [message], **body}, headers=sent
        )
        return answer.status, await answer.json(), dict(answer.headers)

    return asyncio.create_task(answered())


def waiting(client: TestClient) -> int:
    assert client.app is not None
    return client.app[ADMISSION].waiting().get("tiny", 0)


async def queued(client: TestClient, number: int) -> None:
    await eventually(lambda: waiting(client) == number)


async def test_no_more_run_than_the_workers_have_seats_for() -> None:
    async with before_seats(2) as (client, worker):
        tasks = [ask(client, str(number)) for number in range(6)]
        await eventually(lambda: len(worker.order) == 2)
        await queued(client, 4)
        text = await (await client.get("/metrics")).text()
        assert f'{WAITING}{{model="tiny"}} 4.0' in text
        worker.answer(6)
        answers = await asyncio.gather(*tasks)
        assert [status for status, *_ in answers] == [200] * 6
        assert worker.most == 2
        assert waiting(client) == 0


async def test_a_burst_of_one_key_does_not_hold_up_another(tmp_path: Path) -> None:
    (loud, loud_key), (quiet, quiet_key) = new_key("loud"), new_key("quiet")
    async with before_seats(1, (loud_key, quiet_key), tmp_path) as (client, worker):
        burst = [ask(client, "loud", loud) for _ in range(20)]
        await queued(client, 19)
        one = ask(client, "quiet", quiet)
        await queued(client, 20)
        worker.answer(21)
        await asyncio.gather(one, *burst)
        assert worker.order.index("quiet") <= 3


async def test_a_queue_is_bounded_and_the_loudest_gives_way(tmp_path: Path) -> None:
    (loud, loud_key), (quiet, quiet_key) = new_key("loud"), new_key("quiet")
    keys = (loud_key, quiet_key)
    async with before_seats(1, keys, tmp_path, queue_size=3) as (client, worker):
        burst = [ask(client, "loud", loud) for _ in range(4)]
        await queued(client, 3)
        status, body, headers = await ask(client, "loud", loud)
        assert status == 429
        assert body["error"]["code"] == "queue_full"
        assert body["error"]["type"] == "rate_limit_error"
        assert int(headers["Retry-After"]) >= 1
        one = ask(client, "quiet", quiet)
        await eventually(lambda: any(task.done() for task in burst))
        (refused,) = [task for task in burst if task.done()]
        assert (await refused)[0] == 429
        assert waiting(client) == 3
        worker.answer(10)
        assert (await one)[0] == 200
        assert sorted([(await task)[0] for task in burst]) == [200, 200, 200, 429]


async def test_a_request_waits_no_longer_than_it_may() -> None:
    async with before_seats(1, queue_timeout=0.3) as (client, worker):
        first = ask(client, "first")
        await eventually(lambda: worker.order == ["first"])
        status, body, headers = await ask(client, "second")
        assert (status, body["error"]["code"]) == (429, "queue_timeout")
        assert "Retry-After" in headers
        assert waiting(client) == 0
        worker.answer()
        assert (await first)[0] == 200
        assert worker.order == ["first"]


@pytest.mark.parametrize("headers", [{"x-request-timeout": "0.4"}, {"grpc-timeout": "400m"}])
async def test_a_deadline_ends_a_wait(headers: dict[str, str]) -> None:
    async with before_seats(1) as (client, worker):
        ask(client, "first")
        await eventually(lambda: worker.order == ["first"])
        status, body, _ = await ask(client, "second", headers=headers)
        assert (status, body["error"]["code"]) == (504, "deadline_exceeded")
        assert waiting(client) == 0
        assert worker.order == ["first"]


async def test_the_clients_deadline_travels_to_the_worker() -> None:
    async with before_seats(1) as (client, worker):
        status, body, _ = await ask(client, "late", headers={"x-request-timeout": "1.5"})
        assert (status, body["error"]["code"]) == (504, "deadline_exceeded")
        assert worker.deadlines[0] is not None
        assert worker.deadlines[0] <= 1.7
        await eventually(lambda: worker.running == 0)


async def test_who_gives_up_takes_nobodys_turn() -> None:
    async with before_seats(1) as (client, worker):
        first = ask(client, "first")
        await eventually(lambda: worker.order == ["first"])
        gone, last = ask(client, "gone"), ask(client, "last")
        await queued(client, 2)
        gone.cancel()
        await queued(client, 1)
        worker.answer(2)
        assert [(await first)[0], (await last)[0]] == [200, 200]
        assert worker.order == ["first", "last"]


async def test_what_cannot_be_in_time_is_refused_at_once_and_nothing_when_idle() -> None:
    async with before_seats(1) as (client, worker):
        # Even the shortest time is enough for a try where nobody waits.
        worker.answer()
        status, *_ = await ask(client, "idle", headers={"x-request-timeout": "5"})
        assert status == 200

        async def paced() -> None:
            while True:
                await asyncio.sleep(0.3)
                worker.answer()

        pacing = asyncio.create_task(paced())
        crowd = [ask(client, str(number)) for number in range(40)]
        try:
            await eventually(lambda: len(worker.order) >= 8)
            began = time.monotonic()
            status, body, headers = await ask(client, "late", headers={"x-request-timeout": "3"})
            assert status == 429, body
            assert body["error"]["code"] == "deadline_unreachable"
            assert int(headers["Retry-After"]) >= 1
            # It did not wait for its deadline to find out.
            assert time.monotonic() - began < 2.5
            assert "late" not in worker.order
        finally:
            pacing.cancel()
            worker.answer(100)
        assert {status for status, *_ in await asyncio.gather(*crowd)} == {200}
        worker.answer()
        status, *_ = await ask(client, "idle again", headers={"x-request-timeout": "5"})
        assert status == 200


async def test_priorities_go_first() -> None:
    async with before_seats(1) as (client, worker):
        ask(client, "first")
        await eventually(lambda: worker.order == ["first"])
        tasks = []
        for number, priority in enumerate((5, 0, -5)):
            tasks.append(ask(client, str(priority), priority=priority))
            await queued(client, number + 1)
        worker.answer(4)
        await asyncio.gather(*tasks)
        assert worker.order == ["first", "-5", "0", "5"]
        assert [request.priority for request in worker.requests] == [0, -5, 0, 5]


async def test_a_key_bounds_its_priorities(tmp_path: Path) -> None:
    (low, low_key), (high, high_key) = (
        new_key("low", max_priority=10),
        new_key("high", max_priority=-3),
    )
    (plain, plain_key) = new_key("plain")
    async with before_seats(1, (low_key, high_key, plain_key), tmp_path) as (client, worker):
        for secret, priority, best in ((low, 9, 10), (high, -4, -3), (plain, -1, 0)):
            status, body, _ = await ask(client, "no", secret, priority=priority)
            assert status == 403
            assert body["error"]["code"] == "priority_not_allowed"
            assert body["error"]["param"] == "priority"
            assert str(best) in body["error"]["message"]
        ask(client, "first", plain)
        await eventually(lambda: worker.order == ["first"])
        tasks = []
        for number, (text, secret, body) in enumerate(
            [("low", low, {}), ("plain", plain, {}), ("high", high, {"priority": -3})]
        ):
            tasks.append(ask(client, text, secret, **body))
            await queued(client, number + 1)
        worker.answer(4)
        await asyncio.gather(*tasks)
        assert worker.order == ["first", "high", "plain", "low"]


async def test_a_slow_reader_holds_no_seat() -> None:
    async with before_seats(1) as (client, worker):
        worker.script = says(["x" * 20_000] * 200)
        slow = await client.post(
            URL,
            json={
                "model": "tiny",
                "stream": True,
                "messages": [{"role": "user", "content": "slow"}],
            },
        )
        await eventually(lambda: worker.running == 0)
        worker.answer()
        status, *_ = await asyncio.wait_for(ask(client, "next"), 30)
        assert status == 200
        slow.close()


async def test_counting_tokens_needs_no_turn() -> None:
    async with before_seats(1) as (client, worker):
        ask(client, "first")
        await eventually(lambda: worker.order == ["first"])
        answer = await client.post("/detokenize", json={"model": "tiny", "tokens": [1, 2]})
        assert answer.status == 200


async def test_a_worker_that_does_not_say_how_many_it_runs_is_sent_all() -> None:
    async with ScriptedWorker() as worker, gateway_before([worker.address]) as client:
        worker.script = says(["word"] * 3, pause=0.01)
        tasks = [ask(client, str(number)) for number in range(20)]
        assert {status for status, *_ in await asyncio.gather(*tasks)} == {200}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"x-request-timeout": "2.5"}, 2.5),
        ({"grpc-timeout": "1H"}, 3600.0),
        ({"grpc-timeout": "250m"}, 0.25),
        ({"grpc-timeout": "10S", "x-request-timeout": "3"}, 3.0),
    ],
)
def test_the_time_of_a_client(headers: dict[str, str], seconds: float | None) -> None:
    assert read_timeout(headers) == seconds


@pytest.mark.parametrize(
    "headers",
    [{"x-request-timeout": value} for value in ("", "0", "-1", "nan", "inf", "soon", "1e999")]
    + [{"grpc-timeout": value} for value in ("", "S", "1", "0S", "123456789S", "-1S", "٣S", "1s")],
)
async def test_a_time_that_is_none(client: TestClient, headers: dict[str, str]) -> None:
    with pytest.raises(BadTimeoutError):
        read_timeout(headers)
    if all(value.isascii() for value in headers.values()):
        status, body, _ = await ask(client, "hi", headers=headers)
        assert (status, body["error"]["code"]) == (400, "invalid_value")
        assert next(iter(headers)) in body["error"]["message"]
