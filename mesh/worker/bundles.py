"""The messages of many calls on one stream, for a caller with many at once.

A message costs gRPC as much as it costs the engine's front end to make one, on both sides. Where a
caller opened `Inference.Bundle`, what a step of the engine made for all its calls is one message.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rostra.mesh.worker.status import Context, unavailable
from rostra.v1 import chat_pb2, inference_pb2

METADATA = "rostra-bundle"
NUM_BUNDLED = "rostra-bundled"
MAX_BYTES = 2**20
"""Of the messages that wait for the caller to read; who has more to say waits, too."""

Message = chat_pb2.ChatResponse | inference_pb2.GenerateResponse
Write = Callable[[Any], Awaitable[None]]


class Bundles:
    """All that are open."""

    def __init__(self) -> None:
        self._open: dict[str, Bundle] = {}

    async def serve(
        self, requests: AsyncIterator[inference_pb2.BundleRequest], write: Write
    ) -> None:
        """Runs one bundle until its caller, or `close`, ends it."""
        bundle = Bundle()
        self._open[bundle.id] = bundle
        try:
            await bundle.serve(requests, write)
        finally:
            del self._open[bundle.id]

    @contextmanager
    def writer(self, context: Context) -> Iterator[Write]:
        """What writes the messages of the call of `context`: into its bundle where it has one."""
        call = self._call(context)
        if call is None:
            yield context.write
            return
        try:
            yield call.write
        finally:
            if not call.whole:
                context.set_trailing_metadata(((NUM_BUNDLED, str(call.num_bundled)),))

    def _call(self, context: Context) -> BundledCall | None:
        for key, value in context.invocation_metadata() or ():
            if key == METADATA:
                bundle_id, _, call = str(value).partition("/")
                bundle = self._open.get(bundle_id)
                if bundle is not None and call.isascii() and call.isdecimal():
                    return BundledCall(bundle, int(call) % 2**64, context.write)
        return None

    def close(self) -> None:
        for bundle in self._open.values():
            bundle.end()


class Bundle:
    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        self._pending: list[inference_pb2.BundledMessage] = []
        self._pending_bytes = 0
        self._paused: set[int] = set()
        self._ended = False
        self._something = asyncio.Event()
        """To send, or the end."""
        self._moved = asyncio.Event()
        """Set, and replaced, when somebody who waited may go on."""

    def end(self) -> None:
        """What calls have said is sent; they end UNAVAILABLE with what they say next."""
        self._ended = True
        self._something.set()
        self._notify()

    async def put(self, message: inference_pb2.BundledMessage) -> None:
        """Returns when the message is on its way, which waits for the reader of a call that is
        paused and for the caller of a bundle that is full. Raises RpcError."""
        size = message.ByteSize()
        while not self._has_room(message.call, size):
            await self._moved.wait()
        if self._ended:
            raise unavailable("bundle_ended", "the bundle that the call's messages go to has ended")
        self._pending.append(message)
        self._pending_bytes += size
        self._something.set()

    def _has_room(self, call: int, size: int) -> bool:
        if self._ended:
            return True
        fits = not self._pending or self._pending_bytes + size <= MAX_BYTES
        return fits and call not in self._paused

    async def serve(
        self, requests: AsyncIterator[inference_pb2.BundleRequest], write: Write
    ) -> None:
        reading = asyncio.create_task(self._read(requests))
        try:
            await write(inference_pb2.BundleResponse(bundle_id=self.id))
            while True:
                await self._something.wait()
                if not self._ended:
                    self._something.clear()
                messages, self._pending, self._pending_bytes = self._pending, [], 0
                if not messages:
                    return
                self._notify()
                await write(inference_pb2.BundleResponse(messages=messages))
        finally:
            self.end()
            reading.cancel()

    async def _read(self, requests: AsyncIterator[inference_pb2.BundleRequest]) -> None:
        try:
            async for request in requests:
                self._paused.update(request.pause)
                self._paused.difference_update(request.resume)
                self._notify()
        finally:
            self.end()

    def _notify(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


class BundledCall:
    """One call's way into a bundle. Its last message takes the call's own stream."""

    def __init__(self, bundle: Bundle, call: int, write_last: Write) -> None:
        self._bundle = bundle
        self._call = call
        self._write_last = write_last
        self.num_bundled = 0
        """Messages that the bundle got of it."""
        self.whole = False
        """Whether its last message was written, which tells of them."""

    async def write(self, message: Message) -> None:
        if message.HasField("usage"):
            message.num_bundled = self.num_bundled
            await self._write_last(message)
            self.whole = True
            return
        if isinstance(message, chat_pb2.ChatResponse):
            bundled = inference_pb2.BundledMessage(call=self._call, chat=message)
        else:
            bundled = inference_pb2.BundledMessage(call=self._call, generate=message)
        await self._bundle.put(bundled)
        self.num_bundled += 1
