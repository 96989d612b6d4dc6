"""Which workers are known, which of them serve, and which one is chosen."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable
from typing import Any

import pytest
from gateway_harness import (
    FAST,
    NOT_SERVING,
    SERVING,
    ScriptedWorker,
    any_serving,
    eventually,
    gateway_before,
    says,
)
from pydantic import ValidationError

from rostra.gateway.errors import ApiError
from rostra.gateway.fleet import Fleet
from rostra.gateway.keys import FLEET
from rostra.gateway.membership import StaticMembership, UnionMembership
from rostra.gateway.router import Router
from rostra.gateway.routing.settings import RoutingSettings
from rostra.gateway.settings import GatewaySettings
from rostra.v1 import control_pb2

CHAT = "/v1/chat/completions"
HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}


async def test_health_decides_at_once(worker: ScriptedWorker) -> None:
    # With an hour between readings, only the health stream can have told.
    async with gateway_before([worker.address], load_interval=3600.0) as client:
        await worker.set_health(NOT_SERVING)
        await eventually(lambda: not any_serving(client))
        ready = await client.get("/ready")
        assert ready.status == 503
        assert (await ready.json())["workers"] == {worker.address: "its health is NOT_SERVING"}


async def test_a_silent_worker_is_out_and_comes_back(worker: ScriptedWorker) -> None:
    async with gateway_before([worker.address], load_timeout=0.1) as client:
        worker.load_delay = 60.0
        await eventually(lambda: not any_serving(client))
        worker.load_delay = 0.0
        await eventually(lambda: any_serving(client))


async def test_a_draining_worker_gets_nothing_new(worker: ScriptedWorker) -> None:
    async with gateway_before([worker.address]) as client:
        worker.load = control_pb2.GetLoadResponse(draining=True)
        await eventually(lambda: not any_serving(client))
        assert (await client.post(CHAT, json=HELLO)).status == 503
        assert worker.requests == []


async def test_a_worker_may_come_back_with_another_model(worker: ScriptedWorker) -> None:
    async with gateway_before([worker.address]) as client:
        await worker.set_health(NOT_SERVING)
        await eventually(lambda: not any_serving(client))
        worker.model = control_pb2.ModelInfo(name="other", revision="1")
        await worker.set_health(SERVING)
        await eventually(lambda: any_serving(client))
        models = (await (await client.get("/v1/models")).json())["data"]
        assert [model["id"] for model in models] == ["other"]


async def test_requests_go_where_their_model_is() -> None:
    async with (
        ScriptedWorker(model="small") as small,
        ScriptedWorker(model="large") as large,
        gateway_before([small.address, large.address]) as client,
    ):
        for model in ["small", "large", "large-latest"]:
            response = await client.post(CHAT, json={**HELLO, "model": model})
            assert (await response.json())["model"] == model.removesuffix("-latest")
        assert (len(small.requests), len(large.requests)) == (1, 2)
        # A model whose only worker is out exists all the same.
        await large.set_health(NOT_SERVING)
        await eventually(lambda: sum(link.serving for link in client.app[FLEET]) == 1)
        response = await client.post(CHAT, json={**HELLO, "model": "large"})
        assert response.status == 503


async def test_load_is_shared_by_credit_alone() -> None:
    """Between two readings of the load, only the gateway's own dispatches tell workers apart."""
    slow = says(["a"] * 1000, pause=0.05)
    async with (
        ScriptedWorker(slow) as first,
        ScriptedWorker(slow) as second,
        gateway_before([first.address, second.address], load_interval=3600.0) as client,
    ):
        tasks = [asyncio.create_task(client.post(CHAT, json=HELLO)) for _ in range(10)]
        await eventually(lambda: first.running + second.running == 10)
        assert (first.running, second.running) == (5, 5)
        for task in tasks:
            task.cancel()


class Link:
    """What the router sees of a worker, or of another server."""

    wait = 0.0
    room = math.inf

    def __init__(self, address: str, pending: int, *, share: float | None = None) -> None:
        self.address = address
        self.external = share is not None
        self.share = 1.0 if share is None else share
        self.pending_requests = pending
        self.queued_tokens = 0
        self.models = {"m": control_pb2.ModelInfo(name="m")}


class LinksOnly:
    def __init__(self, links: Iterable[Link]) -> None:
        self.links = list(links)

    def serving(self, model: str) -> list[Link]:
        return self.links


def router_of(links: Iterable[Link], rng: random.Random | None = None) -> Router:
    settings = RoutingSettings(policy="power_of_two")
    return Router(LinksOnly(links), 0.0, settings, rng=rng)  # type: ignore[arg-type]


def chosen(router: Router, avoid: Collection[str] = ()) -> str:
    """The address of whom the router chooses."""
    found = router.choose(router.route("m"), avoid)
    assert found is not None
    assert found[1] == "m"
    return found[0].address


def test_power_of_two_choices() -> None:
    links = [Link(str(pending), pending) for pending in range(4)]
    router = router_of(links, random.Random(5))
    counts: Counter[str] = Counter()
    for _ in range(6000):
        counts[chosen(router)] += 1
    # Of the six pairs of four, the worker with rank r is the lighter one in 3 - r.
    assert counts["3"] == 0
    for rank in range(3):
        assert abs(counts[str(rank)] / 6000 - (3 - rank) / 6) < 0.03


def test_avoided_workers_are_the_last_resort() -> None:
    router = router_of([Link("a", 0), Link("b", 9)])
    assert {chosen(router, {"a"}) for _ in range(20)} == {"b"}
    assert {chosen(router, {"a", "b"}) for _ in range(20)} == {"a"}


class ChangingMembership:
    def __init__(self) -> None:
        self.changes: asyncio.Queue[frozenset[str]] = asyncio.Queue()

    async def addresses(self) -> AsyncIterator[frozenset[str]]:
        while True:
            yield await self.changes.get()


async def test_members_join_and_leave() -> None:
    async with ScriptedWorker() as first, ScriptedWorker(model="second") as second:
        membership = ChangingMembership()
        fleet = Fleet(membership, GatewaySettings(workers=["ignored:1"], **FAST))
        await fleet.start()
        membership.changes.put_nowait(frozenset({first.address}))
        await eventually(lambda: set(fleet.models()) == {"tiny"})
        membership.changes.put_nowait(frozenset({first.address, second.address}))
        await eventually(lambda: set(fleet.models()) == {"tiny", "second"})
        membership.changes.put_nowait(frozenset({second.address}))
        await eventually(lambda: set(fleet.models()) == {"second"})
        await fleet.close()


class StumblingMembership:
    """Fails so many times before it says anything."""

    def __init__(self, failures: int, address: str) -> None:
        self.failures = failures
        self.said = frozenset({address})

    async def addresses(self) -> AsyncIterator[frozenset[str]]:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("nobody has foreseen this")
        yield self.said
        await asyncio.Event().wait()


@pytest.mark.parametrize("beside", [False, True])
async def test_a_source_that_failed_is_followed_again(
    worker: ScriptedWorker, caplog: pytest.LogCaptureFixture, beside: bool
) -> None:
    stumbling = StumblingMembership(2, worker.address)
    async with ScriptedWorker(model="second") as second:
        listed = StaticMembership([second.address])
        membership = UnionMembership(listed, stumbling) if beside else stumbling
        fleet = Fleet(membership, GatewaySettings(workers=["ignored:1"], **FAST))
        await fleet.start()
        if beside:
            # The others are heard meanwhile.
            await eventually(lambda: "second" in fleet.models())
        await eventually(lambda: "tiny" in fleet.models())
        await fleet.close()
    failed = [each for each in caplog.records if "learning who the workers are" in each.message]
    assert len(failed) == 2
    assert [each.exc_info is not None for each in failed] == [True, False]


async def test_a_wait_ends_at_the_deadline() -> None:
    fleet = Fleet(StaticMembership([]), GatewaySettings(workers=["a:1"], **FAST))
    for remaining, status in [(0.05, 504), (None, 503)]:
        router = Router(fleet, 0.1)
        with pytest.raises(ApiError) as caught:
            await router.acquire(router.route("m"), (), remaining)
        assert caught.value.status == status


@pytest.mark.parametrize(
    "workers", [[], ["host"], ["host:0"], ["host:99999"], ["http://h:1"], ["a:1", "a:1"]]
)
def test_bad_worker_lists(workers: Any) -> None:
    with pytest.raises(ValidationError, match="workers"):
        GatewaySettings(workers=workers)
