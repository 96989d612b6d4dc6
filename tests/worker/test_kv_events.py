"""`Control.SubscribeKvEvents`: what a worker tells of its prefix cache."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import grpc
import pytest
from tiny_encoder import save_tiny_encoder
from worker_harness import (
    ENDLESS,
    Service,
    collect,
    generate,
    refused,
    running,
    tiny_config,
)

from rostra.mesh.worker import cache_feed
from rostra.mesh.worker.cache_mirror import block_hash, salt_hash
from rostra.v1 import control_pb2, inference_pb2, tokens_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

BLOCK = 16
NO_SALT = "\n\n"


class Following:
    """Reads the stream and keeps what it tells."""

    def __init__(self, service: Service, **request: Any) -> None:
        self.call = service.control.SubscribeKvEvents(
            control_pb2.SubscribeKvEventsRequest(**request)
        )
        self.blocks: dict[bytes, list[int]] = {}
        self.keys: set[int] = set()
        self.cleared = 0
        self.messages = 0

    async def read(self) -> None:
        message = await self.call.read()
        assert message is not grpc.aio.EOF
        assert message.sequence == self.messages
        self.messages += 1
        for event in message.events:
            match event.WhichOneof("event"):
                case "stored":
                    self.blocks[event.stored.block_hash] = list(event.stored.token_ids)
                case "removed":
                    del self.blocks[event.removed.block_hash]
                case "prefix_stored":
                    self.keys |= set(event.prefix_stored.keys)
                case "prefix_removed":
                    self.keys -= set(event.prefix_removed.keys)
                case "cleared":
                    self.blocks, self.keys = {}, set()
                    self.cleared += 1

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(60):
            while not condition(self):
                await self.read()


def asked(first: int, blocks: int, *keys: int, **settings: Any) -> inference_pb2.GenerateRequest:
    """A prompt of so many full blocks and one token."""
    ids = [3 + (first + number) % 250 for number in range(blocks * BLOCK + 1)]
    prefix = tokens_pb2.PrefixKeys(keys=keys) if keys else None
    return generate(
        tokens=inference_pb2.TokenIds(ids=ids),
        prefix_keys=prefix,
        max_tokens=1,
        **ENDLESS,
        **settings,
    )


def hashes(request: inference_pb2.GenerateRequest, salt: str = NO_SALT) -> list[bytes]:
    """By the definition in control.proto, and nothing else."""
    ids, before, found = list(request.tokens.ids), salt_hash(salt), []
    for start in range(0, len(ids) - BLOCK + 1, BLOCK):
        before = block_hash(before, ids[start : start + BLOCK])
        found.append(before)
    return found


async def test_what_is_there_and_what_changes(service: Service) -> None:
    early, late = asked(0, 3, 1, 2, 3), asked(100, 2, 4, 5)
    await collect(service.inference.Generate(early))
    following = Following(service)
    await following.read()
    assert set(hashes(early)) <= following.blocks.keys()
    await collect(service.inference.Generate(late))
    await following.until(lambda one: set(hashes(late)) <= one.blocks.keys())
    await following.until(lambda one: one.keys >= {1, 2, 3, 4, 5})
    assert following.blocks[hashes(late)[1]] == list(late.tokens.ids)[BLOCK : 2 * BLOCK]
    salted = asked(0, 1, cache_salt="mine")
    await collect(service.inference.Generate(salted))
    await following.until(lambda one: hashes(salted, "\n\nmine")[0] in one.blocks)
    following.call.cancel()


async def test_prefixes_alone(service: Service) -> None:
    following = Following(service, prefixes_only=True)
    await following.read()
    await collect(service.inference.Generate(asked(50, 2, 51, 52)))
    await following.until(lambda one: one.keys >= {51, 52})
    assert not following.blocks
    following.call.cancel()


async def test_two_workers_call_the_same_block_the_same(service: Service, tiny_model: Path) -> None:
    request = asked(20, 4)
    async with running(tiny_config(tiny_model)) as other:
        for one in (service, other):
            following = Following(one)
            await collect(one.inference.Generate(request))
            await following.until(lambda each: set(hashes(request)) <= each.blocks.keys())
            following.call.cancel()


async def test_evictions_and_a_new_engine(tiny_model: Path) -> None:
    async with running(tiny_config(tiny_model, num_blocks=8, max_model_len=128)) as service:
        following = Following(service)
        await following.read()
        first = asked(0, 4, 1, 2)
        await collect(service.inference.Generate(first))
        await following.until(lambda one: one.keys == {1, 2})
        await collect(service.inference.Generate(asked(100, 6)))
        await following.until(lambda one: not one.keys)
        assert not set(hashes(first)[2:]) & following.blocks.keys()
        os.kill(service.worker.engine.pids[0], signal.SIGKILL)
        await following.until(lambda one: one.cleared)
        assert not following.blocks
        async with asyncio.timeout(60):
            while not await service.serving():
                await asyncio.sleep(0.02)
        await collect(service.inference.Generate(first))
        await following.until(lambda one: set(hashes(first)) <= one.blocks.keys())
        following.call.cancel()


async def test_a_slow_reader_is_told_everything_anew(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_feed, "MAX_PENDING_EVENTS", 4)
    async with running(tiny_config(tiny_model)) as service:
        feed = service.worker.engine.cache
        messages = feed.follow(keys_only=False)
        assert not (await anext(messages)).events
        requests = [asked(number * 17, 4, number) for number in range(6)]
        for request in requests:
            await collect(service.inference.Generate(request))
        (follower,) = feed._followers
        assert len(follower._pending) <= 4
        message = await anext(messages)
        assert message.sequence == 1
        assert message.events[0].HasField("cleared")
        stored = {each.stored.block_hash for each in message.events if each.HasField("stored")}
        assert stored == {each for request in requests for each in hashes(request)}
        await messages.aclose()
        assert not feed._followers


async def test_the_engine_is_left_alone_when_nobody_follows(
    service: Service, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_feed, "IDLE_SECONDS", 0.05)
    async with running(tiny_config(tiny_model)) as own:
        following = Following(own)
        await following.read()
        feed = own.worker.engine.cache
        assert feed._keys
        following.call.cancel()
        async with asyncio.timeout(30):
            while feed._keys:
                await asyncio.sleep(0.02)
        await collect(own.inference.Generate(asked(0, 2, 9)))
        assert not feed._mirror.snapshot(blocks=True)
        again = Following(own)
        await again.until(lambda one: one.keys == {9} and len(one.blocks) == 2)
        again.call.cancel()


@pytest.mark.parametrize(
    ("prefix", "field"),
    [
        ({"keys": range(1025)}, "prefix_keys.keys"),
        ({"keys": [1], "covered": 0.0}, "prefix_keys.covered"),
        ({"keys": [1], "covered": 1.5}, "prefix_keys.covered"),
        ({"keys": [1], "covered": float("nan")}, "prefix_keys.covered"),
    ],
)
async def test_keys_that_cannot_be(service: Service, prefix: dict[str, Any], field: str) -> None:
    request = generate("the fox", max_tokens=1)
    request.prefix_keys.CopyFrom(tokens_pb2.PrefixKeys(**prefix))
    refusal = await refused(service.inference.Generate(request))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert set(refusal.violations) == {field}


async def test_vectors_have_no_prefix_cache(tmp_path: Path) -> None:
    save_tiny_encoder(tmp_path)
    async with running(tiny_config(tmp_path, num_blocks=None)) as service:
        call = service.control.SubscribeKvEvents(control_pb2.SubscribeKvEventsRequest())
        assert (await refused(call)).code is grpc.StatusCode.UNIMPLEMENTED
