"""Members by DNS, and several sources as one."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from gateway_harness import FAST, ScriptedWorker, eventually
from pydantic import ValidationError

from rostra.gateway.fleet import Fleet
from rostra.gateway.membership import DnsMembership, StaticMembership, UnionMembership
from rostra.gateway.membership.build import membership_of
from rostra.gateway.membership.dns import resolve
from rostra.gateway.settings import GatewaySettings


class Zone:
    """What a resolver answers: addresses, or an error."""

    def __init__(self, *hosts: str) -> None:
        self.answer: frozenset[str] | OSError | None = frozenset(hosts)
        self.num_lookups = 0

    async def lookup(self, name: str, port: int) -> frozenset[str]:
        assert name == "workers.mesh"
        self.num_lookups += 1
        if self.answer is None:
            await asyncio.sleep(3600)
        if isinstance(self.answer, OSError):
            raise self.answer
        assert self.answer is not None
        return frozenset(f"{host}:{port}" for host in self.answer)

    def membership(self, **settings: Any) -> DnsMembership:
        return DnsMembership("workers.mesh", 50051, 0.01, lookup=self.lookup, **settings)


async def test_records_come_and_go() -> None:
    zone = Zone("10.0.0.1", "10.0.0.2")
    said = zone.membership().addresses()
    assert await anext(said) == {"10.0.0.1:50051", "10.0.0.2:50051"}
    zone.answer = frozenset({"10.0.0.2", "10.0.0.3"})
    assert await anext(said) == {"10.0.0.2:50051", "10.0.0.3:50051"}


@pytest.mark.parametrize("failure", [socket.gaierror(-2, "Name not known"), None])
async def test_a_failed_lookup_keeps_the_last_answer_and_says_so_once(
    caplog: pytest.LogCaptureFixture, failure: OSError | None
) -> None:
    zone = Zone("10.0.0.1")
    said = zone.membership(timeout=0.01).addresses()
    assert await anext(said) == {"10.0.0.1:50051"}
    zone.answer = failure
    waiting = asyncio.ensure_future(anext(said))
    before = zone.num_lookups
    await eventually(lambda: zone.num_lookups > before + 3)
    assert not waiting.done()
    zone.answer = frozenset({"10.0.0.2"})
    assert await waiting == {"10.0.0.2:50051"}
    assert caplog.text.count("its last answer holds on") == 1
    # The next failure is another one.
    zone.answer = OSError("again")
    waiting = asyncio.ensure_future(anext(said))
    await eventually(lambda: caplog.text.count("its last answer holds on") == 2)
    waiting.cancel()


async def test_lookups_are_not_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    zone = Zone()
    membership = DnsMembership("workers.mesh", 1, 5.0, lookup=zone.lookup, rng=random.Random(1))
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "sleep", sleep)
        said = membership.addresses()
        await anext(said)
        waiting = asyncio.ensure_future(anext(said))
        while len(pauses) < 50:
            await real(0.001)
        waiting.cancel()
    assert all(4.0 <= pause <= 6.0 for pause in pauses)
    assert max(pauses) - min(pauses) > 1.0


async def test_the_systems_resolver() -> None:
    assert "127.0.0.1:50051" in await resolve("127.0.0.1", 50051)
    assert await resolve("::1", 50051) == {"[::1]:50051"}
    with pytest.raises(socket.gaierror):
        await resolve("nowhere.invalid", 1)


async def test_a_name_in_the_list_of_workers() -> None:
    async with ScriptedWorker() as worker:
        settings = GatewaySettings(workers=[f"dns://127.0.0.1:{worker.port}"], **FAST)
        fleet = Fleet(membership_of(settings, None), settings)
        await fleet.start()
        await eventually(lambda: set(fleet.models()) == {"tiny"})
        await fleet.close()


@pytest.mark.parametrize("worker", ["dns://name", "dns://:1", "dns://name:0", "dns://a:1/b"])
def test_names_that_cannot_be(worker: str) -> None:
    with pytest.raises(ValidationError, match="no worker address"):
        GatewaySettings(workers=[worker])


class Told:
    def __init__(self) -> None:
        self.changes: asyncio.Queue[frozenset[str] | None] = asyncio.Queue()

    async def addresses(self) -> AsyncIterator[frozenset[str]]:
        while (change := await self.changes.get()) is not None:
            yield change


async def test_what_one_source_says_is_nothing_to_the_others() -> None:
    first, second = Told(), Told()
    said = UnionMembership(StaticMembership(["a:1"]), first, second).addresses()
    assert await anext(said) == {"a:1"}
    first.changes.put_nowait(frozenset({"b:1", "c:1"}))
    assert await anext(said) == {"a:1", "b:1", "c:1"}
    second.changes.put_nowait(frozenset({"c:1", "d:1"}))
    assert await anext(said) == {"a:1", "b:1", "c:1", "d:1"}
    first.changes.put_nowait(frozenset())
    assert await anext(said) == {"a:1", "c:1", "d:1"}
    # A source that ends has said its last; all of them, and there will be no news.
    first.changes.put_nowait(None)
    second.changes.put_nowait(frozenset())
    assert await anext(said) == {"a:1"}
    second.changes.put_nowait(None)
    with pytest.raises(StopAsyncIteration):
        await anext(said)
