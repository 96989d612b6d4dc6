"""Many calls whose messages come by one stream: each is what it would be by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import Any

import grpc
import pytest
from bundled_caller import BundledCaller
from worker_harness import ENDLESS, Service, chat, collect, eventually, generate

from rostra.mesh.worker.bundles import MAX_BYTES, METADATA, Bundle
from rostra.mesh.worker.engine_stream import shutting_down
from rostra.v1 import chat_pb2, inference_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _read_into(came: list[Any], messages: AsyncIterable[Any]) -> None:
    async for message in messages:
        came += [message]


async def test_bundled_calls_say_what_they_say_alone(service: Service):
    requests = [generate(f"the fox {one}", max_tokens=20, seed=one, n=2) for one in range(6)]
    alone = [await collect(service.inference.Generate(request), 2) for request in requests]
    async with BundledCaller(service.inference).open() as caller:
        bundled = await asyncio.gather(
            *(collect(caller.generate(request), 2) for request in requests)
        )
    assert [each.texts for each in bundled] == [each.texts for each in alone]
    assert [each.usage.completion_tokens for each in bundled] == [
        each.usage.completion_tokens for each in alone
    ]
    assert max(caller.sizes) > 1, "what came together came in one message"


async def test_chat_and_generate_share_a_bundle(service: Service):
    async with BundledCaller(service.inference).open() as caller:
        asked = caller.chat(chat(max_tokens=8, **ENDLESS))
        continued = caller.generate(generate(max_tokens=8, **ENDLESS))
        for got in await asyncio.gather(collect(asked), collect(continued)):
            assert got.usage.completion_tokens == 8


async def test_what_came_before_an_error_is_told(service: Service):
    async with BundledCaller(service.inference).open() as caller:
        number, metadata = caller.metadata()
        request = generate(max_tokens=200, request_id="to fail", **ENDLESS)
        call = service.inference.Generate(request, metadata=metadata)
        await caller.came(number, 5)
        service.worker.running._running["to fail"].fail(shutting_down())
        came: list[Any] = []
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await _read_into(came, caller.messages(number, call))
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        assert len(came) >= 5


async def test_a_mistake_is_told_as_without_a_bundle(service: Service):
    async with BundledCaller(service.inference).open() as caller:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await collect(caller.generate(generate(temperature=-1.0)))
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "sampling.temperature" in raised.value.details()


async def test_cancelling_a_call_ends_it_and_no_other(service: Service):
    async with BundledCaller(service.inference).open() as caller:
        number, metadata = caller.metadata()
        call = service.inference.Generate(generate(max_tokens=500, **ENDLESS), metadata=metadata)
        other = asyncio.create_task(collect(caller.generate(generate(max_tokens=60, **ENDLESS))))
        await caller.came(number)
        call.cancel()
        assert (await other).usage.completion_tokens == 60
        await eventually(service.idle)


async def test_a_paused_call_waits_and_then_says_all(service: Service):
    async with BundledCaller(service.inference).open() as caller:
        request = generate(max_tokens=100, **ENDLESS)
        whole = await collect(service.inference.Generate(request))
        number, metadata = caller.metadata()
        await caller.pause(number)
        call = service.inference.Generate(request, metadata=metadata)
        other = await collect(caller.generate(generate(max_tokens=100, **ENDLESS)))
        assert other.usage.completion_tokens == 100
        assert caller.waiting(number) == 0
        await caller.resume(number)
        got = await collect(caller.messages(number, call))
        assert got.texts == whole.texts
        assert got.num_messages < 100, "what piled up was merged"


@pytest.mark.parametrize("given", ["nobody/1", "nobody", "", "/"])
async def test_an_unknown_bundle_is_none(service: Service, given: str):
    call = service.inference.Generate(
        generate(max_tokens=4, **ENDLESS), metadata=((METADATA, given),)
    )
    got = await collect(call)
    assert got.usage.completion_tokens == 4


async def test_calls_end_with_their_bundle(service: Service):
    async with BundledCaller(service.inference).open() as caller:
        number, metadata = caller.metadata()
        call = service.inference.Generate(generate(max_tokens=500, **ENDLESS), metadata=metadata)
        await caller.came(number)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await _read_into([], call)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "bundle" in raised.value.details()
    await eventually(service.idle)


async def test_a_bundle_that_nobody_reads_holds_no_more_than_it_may():
    bundle = Bundle()
    text = "x" * (MAX_BYTES // 4)
    delta = chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content=text))
    message = inference_pb2.BundledMessage(call=1, chat=delta)
    putting = [asyncio.create_task(bundle.put(message)) for _ in range(10)]
    await asyncio.sleep(0.05)
    assert sum(task.done() for task in putting) == 3
    bundle.end()
    results = await asyncio.gather(*putting, return_exceptions=True)
    assert [result is None for result in results] == [True] * 3 + [False] * 7
