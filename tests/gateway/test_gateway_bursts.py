"""Messages that come together are passed on together, and nothing else changes by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, finish, gateway_before, says, usage
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from rostra.gateway.answers.envelope import Envelope
from rostra.gateway.inbox import Bell, Inbox
from rostra.gateway.token_histogram import TokenHistogram
from rostra.v1 import chat_pb2, control_pb2

HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "stream": True}


class LostError(Exception):
    pass


async def source(pauses: list[int], error: Exception | None) -> AsyncIterator[int]:
    """The numbers from 0, each after so many turns of the loop."""
    for number, pause in enumerate(pauses):
        for _ in range(pause):
            await asyncio.sleep(0)
        yield number
    if error is not None:
        raise error


@settings(max_examples=60, deadline=None)
@given(
    streams=st.lists(
        st.tuples(st.lists(st.integers(0, 3), max_size=150), st.booleans()), min_size=1, max_size=4
    ),
    reader_pauses=st.lists(st.integers(0, 5), min_size=1, max_size=8),
)
def test_bursts_joined_are_the_stream_and_its_error_comes_last(streams, reader_pauses):
    async def read(bell: Bell, pauses: list[int], lost: bool) -> None:
        observed: list[int] = []
        inbox = Inbox(source(pauses, LostError() if lost else None), observed.append, bell)
        read: list[int] = []
        try:
            turn = 0
            while burst := await inbox.take():
                read += burst
                for _ in range(reader_pauses[turn % len(reader_pauses)]):
                    await asyncio.sleep(0)
                turn += 1
            assert not lost
        except LostError:
            assert lost
        finally:
            inbox.close()
        assert read == observed == list(range(len(pauses)))

    async def main() -> None:
        bell = Bell()
        async with asyncio.timeout(20):
            await asyncio.gather(*(read(bell, *stream) for stream in streams))

    asyncio.run(main())


async def test_a_stream_is_read_ahead_only_as_far_as_there_is_room() -> None:
    made = 0

    async def endless() -> AsyncIterator[int]:
        nonlocal made
        while True:
            made += 1
            yield made

    inbox = Inbox(endless(), lambda _: None, Bell())
    for _ in range(1000):
        await asyncio.sleep(0)
    ahead = made
    assert ahead < 100
    assert await inbox.take() == list(range(1, ahead + 1))
    for _ in range(1000):
        await asyncio.sleep(0)
    assert ahead < made < 200
    inbox.close()


async def test_one_quiet_stream_is_not_kept_waiting_by_busy_ones() -> None:
    bell = Bell()

    async def busy() -> AsyncIterator[int]:
        while True:
            await asyncio.sleep(0)
            yield 0

    async def drain(inbox: Inbox[int]) -> None:
        while await inbox.take():
            pass

    others = [Inbox(busy(), lambda _: None, bell) for _ in range(3)]
    readers = [asyncio.create_task(drain(inbox)) for inbox in others]
    quiet = Inbox(source([1], None), lambda _: None, bell)
    async with asyncio.timeout(10):
        assert await quiet.take() == [0]
    for inbox, reader in zip(others, readers, strict=True):
        inbox.close()
        reader.cancel()
    await asyncio.wait(readers)


async def test_what_came_before_a_fault_is_passed_on(
    client: TestClient, worker: ScriptedWorker
) -> None:
    """All of it in one go, so that it is one burst."""

    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        yield chat_pb2.ChatResponse(request_id=request.request_id, prompt_tokens=3)
        for word in ("one", " two", " three"):
            yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content=word))
        yield chat_pb2.ChatResponse(index=7, delta=chat_pb2.ChatDelta(content="nobody's"))

    worker.script = script
    async with client.post("/v1/chat/completions", json=HELLO) as response:
        assert response.status == 200
        lines = [line[6:] async for line in response.content if line.startswith(b"data: ")]
    *chunks, error = map(orjson.loads, lines)
    texts = [chunk["choices"][0]["delta"]["content"] for chunk in chunks]
    assert "".join(texts) == "one two three"
    assert "output 7" in error["error"]["message"]


async def test_a_fault_before_any_token_is_an_ordinary_answer(
    client: TestClient, worker: ScriptedWorker
) -> None:
    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        yield chat_pb2.ChatResponse(request_id=request.request_id, prompt_tokens=3)
        yield chat_pb2.ChatResponse(index=7, delta=chat_pb2.ChatDelta(content="nobody's"))

    worker.script = script
    async with client.post("/v1/chat/completions", json=HELLO) as response:
        assert response.status == 502


async def test_a_thousand_tokens_at_once_stay_a_thousand_events() -> None:
    words = [f" {number}" for number in range(1000)]
    async with (
        ScriptedWorker(says(words)) as worker,
        gateway_before([worker.address]) as client,
        client.post("/v1/chat/completions", json=HELLO) as response,
    ):
        lines = [line[6:] async for line in response.content if line.startswith(b"data: ")]
    assert lines.pop().strip() == b"[DONE]"
    deltas = [orjson.loads(line)["choices"][0]["delta"] for line in lines]
    assert [text for delta in deltas if (text := delta.get("content"))] == words


async def test_a_finish_with_the_last_token_loses_neither(
    client: TestClient, worker: ScriptedWorker
) -> None:
    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        delta = chat_pb2.ChatDelta(content="all")
        yield chat_pb2.ChatResponse(delta=delta, finish=finish(), usage=usage())

    worker.script = script
    async with client.post("/v1/chat/completions", json=HELLO) as response:
        text = await response.text()
    assert '"content":"all"' in text
    assert '"finish_reason":"stop"' in text
    assert text.endswith("data: [DONE]\n\n")


@given(
    name=st.text(min_size=1) | st.sampled_from(["[]", 'a"choices":[]', "x[],"]),
    include_usage=st.booleans(),
    content=st.text() | st.sampled_from(["[]", '"],"usage":null}']),
)
def test_a_chunk_is_its_choice_in_its_surroundings(name, include_usage, content):
    model = control_pb2.ModelInfo(name=name, revision="abcdef0123456789")
    envelope = Envelope("chatcmpl", "whole", "chunk", include_usage=include_usage)
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    expected = {
        "id": envelope.id,
        "object": "chunk",
        "created": envelope.created,
        "model": name,
        "system_fingerprint": "fp_abcdef012345",
        "choices": [choice],
        **({"usage": None} if include_usage else {}),
    }
    for _ in range(2):
        assert orjson.loads(orjson.dumps(envelope.chunk(model, choice))) == expected


@given(st.lists(st.floats(0, 300) | st.sampled_from([0.005, 0.01, 120.0]), max_size=30))
def test_the_histogram_reads_as_prometheus_clients_own(values):
    bounds = (0.005, 0.01, 0.5, 120.0)
    reference, ours = CollectorRegistry(), CollectorRegistry()
    histogram = Histogram("h", "Of something.", ("model",), buckets=bounds, registry=reference)
    quick = TokenHistogram("h", "Of something.", "model", bounds)
    ours.register(quick)
    for value in values:
        histogram.labels("m").observe(value)
        quick.of("m").observe(value)
    expected = [line for line in _lines(reference) if "_created" not in line]
    assert _lines(ours) == expected


def _lines(registry: CollectorRegistry) -> list[str]:
    return generate_latest(registry).decode().splitlines()
