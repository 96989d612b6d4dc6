"""A caller of a worker that has its messages bundled."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any

import grpc

from rostra.mesh.worker.bundles import METADATA, NUM_BUNDLED
from rostra.v1 import inference_pb2


class BundledCaller:
    def __init__(self, stub: Any) -> None:
        self.sizes: list[int] = []
        """Messages in each message of the bundle."""
        self._stub = stub
        self._numbers = itertools.count(5)
        self._queues: dict[int, asyncio.Queue[Any]] = {}
        self._arrived = asyncio.Event()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[BundledCaller]:
        self.rpc = self._stub.Bundle()
        self._id = (await self.rpc.read()).bundle_id
        reading = asyncio.create_task(self._read())
        try:
            yield self
        finally:
            reading.cancel()
            self.rpc.cancel()

    def metadata(self) -> tuple[int, tuple[tuple[str, str], ...]]:
        number = next(self._numbers)
        self._queues[number] = asyncio.Queue()
        return number, ((METADATA, f"{self._id}/{number}"),)

    async def chat(self, request: Any) -> AsyncIterator[Any]:
        number, metadata = self.metadata()
        async for message in self.messages(number, self._stub.Chat(request, metadata=metadata)):
            yield message

    async def generate(self, request: Any) -> AsyncIterator[Any]:
        number, metadata = self.metadata()
        async for message in self.messages(number, self._stub.Generate(request, metadata=metadata)):
            yield message

    async def messages(self, number: int, call: Any) -> AsyncIterator[Any]:
        """All of a call in order, its error last."""
        queue = self._queues[number]
        last = error = None
        try:
            (last,) = [message async for message in call]
            expected = last.num_bundled
        except grpc.aio.AioRpcError as raised:
            error = raised
            expected = int(dict(raised.trailing_metadata()).get(NUM_BUNDLED, 0))
        for _ in range(expected):
            yield await asyncio.wait_for(queue.get(), 30)
        assert queue.empty()
        if error is not None:
            raise error
        yield last

    def waiting(self, number: int) -> int:
        return self._queues[number].qsize()

    async def came(self, number: int, count: int = 1) -> None:
        """Until so many messages of a call wait."""
        while self.waiting(number) < count:
            self._arrived.clear()
            await self._arrived.wait()

    async def pause(self, number: int) -> None:
        await self.rpc.write(inference_pb2.BundleRequest(pause=[number]))

    async def resume(self, number: int) -> None:
        await self.rpc.write(inference_pb2.BundleRequest(resume=[number]))

    async def _read(self) -> None:
        while (response := await self.rpc.read()) is not grpc.aio.EOF:
            self.sizes.append(len(response.messages))
            for bundled in response.messages:
                message = getattr(bundled, bundled.WhichOneof("message"))
                self._queues[bundled.call].put_nowait(message)
            self._arrived.set()
