"""The policies at work: prompts go where they are cached, as gateways remember and workers tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, eventually, gateway_before

from rostra.gateway.keys import DISPATCHER
from rostra.gateway.routing.prefix_index import PrefixIndex
from rostra.v1 import control_pb2

CHAT = "/v1/chat/completions"


@pytest.fixture
async def workers() -> AsyncIterator[list[ScriptedWorker]]:
    async with AsyncExitStack() as stack:
        started = [await stack.enter_async_context(ScriptedWorker()) for _ in range(4)]
        for worker in started:
            worker.cache = asyncio.Queue()
        yield started


def before(workers: list[ScriptedWorker], **routing: Any) -> Any:
    return gateway_before([worker.address for worker in workers], routing=routing)


def conversation(number: int, turns: int = 1) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [
        {"role": roles[n % 2], "content": f"conversation {number}, part {n}. " * 30}
        for n in range(2 * turns - 1)
    ]


async def ask(
    client: TestClient, workers: list[ScriptedWorker], messages: Any, **fields: Any
) -> ScriptedWorker:
    """Who was asked."""
    counts = [len(worker.requests) for worker in workers]
    response = await client.post(CHAT, json={"model": "tiny", "messages": messages, **fields})
    assert response.status == 200, await response.text()
    (asked,) = [
        worker
        for worker, count in zip(workers, counts, strict=True)
        if len(worker.requests) > count
    ]
    return asked


async def test_a_conversation_stays_where_it_is_cached(workers: list[ScriptedWorker]) -> None:
    async with before(workers) as client:
        places = set()
        for number in range(12):
            first = await ask(client, workers, conversation(number))
            places.add(first.address)
            for turns in (2, 3):
                assert await ask(client, workers, conversation(number, turns)) is first
        assert len(places) > 1
        keys = [request.prefix_keys for request in first.requests]
        assert all(key.keys and 0 < key.covered <= 1 for key in keys)


async def test_a_worker_with_too_much_to_do_is_passed_over(workers: list[ScriptedWorker]) -> None:
    async with before(workers) as client:
        first = await ask(client, workers, conversation(1))
        first.load = control_pb2.GetLoadResponse(running_requests=9)
        router = client.app[DISPATCHER].router  # type: ignore[index]
        await eventually(lambda: any(link.pending_requests == 9 for link in router._fleet))
        assert await ask(client, workers, conversation(1, 2)) is not first


async def test_what_one_gateway_sent_another_knows_by_the_worker(
    workers: list[ScriptedWorker],
) -> None:
    async with before(workers) as one, before(workers) as other:
        index = other.app[DISPATCHER].router.index  # type: ignore[index]
        for number in range(8):
            place = await ask(one, workers, conversation(number))
            keys = place.requests[-1].prefix_keys.keys
            told = control_pb2.KvEvent(prefix_stored=control_pb2.KvPrefixStored(keys=keys))
            assert place.cache is not None
            # To both gateways, each of which reads from the same queue here.
            place.cache.put_nowait(told)
            place.cache.put_nowait(told)
            await eventually(lambda: index.longest(keys, [place.address])[0] == len(keys))  # noqa: B023
            assert await ask(other, workers, conversation(number, 2)) is place


async def followed(index: PrefixIndex, workers: list[ScriptedWorker]) -> None:
    """What a stream of events begins with takes the place of all that was known before."""
    for worker in workers:
        assert worker.cache is not None
        told = control_pb2.KvPrefixStored(keys=[1])
        worker.cache.put_nowait(control_pb2.KvEvent(prefix_stored=told))
    await eventually(
        lambda: all(index.longest([1], [worker.address])[0] == 1 for worker in workers)
    )


async def test_what_a_worker_evicted_is_forgotten(workers: list[ScriptedWorker]) -> None:
    async with before(workers) as client:
        index = client.app[DISPATCHER].router.index  # type: ignore[index]
        await followed(index, workers)
        place = await ask(client, workers, conversation(1))
        keys = list(place.requests[-1].prefix_keys.keys)
        assert index.longest(keys, [place.address]) == (len(keys), {place.address})
        assert place.cache is not None
        removed = control_pb2.KvPrefixRemoved(keys=keys[1:])
        place.cache.put_nowait(control_pb2.KvEvent(prefix_removed=removed))
        await eventually(lambda: index.longest(keys, [place.address])[0] == 1)
        place.cache.put_nowait(control_pb2.KvEvent(cleared=control_pb2.KvCacheCleared()))
        await eventually(lambda: index.longest(keys, [place.address])[0] == 0)


async def test_workers_that_report_nothing_do_no_harm(workers: list[ScriptedWorker]) -> None:
    for worker in workers:
        worker.cache = None
    async with before(workers) as client:
        first = await ask(client, workers, conversation(1))
        assert await ask(client, workers, conversation(1, 2)) is first


async def test_nothing_is_named_for_who_does_not_ask(workers: list[ScriptedWorker]) -> None:
    for routing in ({"policy": "power_of_two"}, {"kv_events": False}):
        async with before(workers, **routing) as client:
            place = await ask(client, workers, conversation(1))
            assert not place.requests[-1].HasField("prefix_keys")
    async with before(workers[:1]) as client:
        place = await ask(client, workers, conversation(1))
        assert not place.requests[-1].HasField("prefix_keys"), "there is nobody to choose from"


async def test_round_robin(workers: list[ScriptedWorker]) -> None:
    async with before(workers, policy="round_robin") as client:
        for _ in range(8):
            await ask(client, workers, conversation(1))
    assert [len(worker.requests) for worker in workers] == [2, 2, 2, 2]


async def test_consistent_hash_on_what_a_request_tells(workers: list[ScriptedWorker]) -> None:
    async with before(workers, policy="consistent_hash", hash_on="user") as client:
        by_user = {}
        for user in "abcdefgh":
            places = [
                await ask(client, workers, conversation(number), user=user) for number in range(3)
            ]
            assert len(set(places)) == 1
            by_user[user] = places[0]
        assert len(set(by_user.values())) > 1
    async with before(workers, policy="consistent_hash") as client:
        places = [
            await ask(client, workers, conversation(number), user="a", prompt_cache_key="thread")
            for number in range(6)
        ]
        assert len(set(places)) == 1
        places = [await ask(client, workers, conversation(n), user="a") for n in range(12)]
        assert len(set(places)) > 1


async def test_a_model_may_have_a_policy_of_its_own(workers: list[ScriptedWorker]) -> None:
    addresses = [worker.address for worker in workers]
    async with gateway_before(addresses, model={"tiny": {"policy": "round_robin"}}) as client:
        for _ in range(4):
            await ask(client, workers, conversation(1))
    assert [len(worker.requests) for worker in workers] == [1, 1, 1, 1]


async def test_the_output_of_several_prompts_comes_from_one_model() -> None:
    async with ScriptedWorker(model="a") as one, ScriptedWorker(model="b") as other:
        models = {"front": {"split": {"a": 1, "b": 1}}}
        async with gateway_before([one.address, other.address], model=models) as client:
            for _ in range(10):
                body = {"model": "front", "prompt": ["x"] * 5}
                assert (await client.post("/v1/completions", json=body)).status == 200
        assert len(one.requests) + len(other.requests) == 50
        assert len(one.requests) % 5 == 0
