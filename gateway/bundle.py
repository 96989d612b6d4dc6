"""One worker's messages for many of this gateway's calls, over one stream.

A message costs gRPC some 25 microseconds here, however small it is. Over `Inference.Bundle` what a
step of the worker's engine made for all calls is one.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Literal

import grpc

from rostra.v1 import inference_pb2, inference_pb2_grpc

METADATA = "rostra-bundle"
NUM_BUNDLED = "rostra-bundled"
Kind = Literal["chat", "generate"]
_LAST_WORDS = 2.0
"""Seconds that a call without its bundle has to end by itself."""
_ON_ITS_WAY = 30.0
"""Seconds that a message of a call which has ended may take by the bundle, while others come."""
_MISSING_INTERVAL = 30.0
"""Seconds. A worker that has no bundles may be replaced by one that has."""


class Bundle:
    """Opened by `run`, and again when it broke, where the worker has such a thing."""

    def __init__(self, stub: inference_pb2_grpc.InferenceAsyncStub, retry_interval: float) -> None:
        self._stub = stub
        self._retry_interval = retry_interval
        self._closing = False
        self._rpc: grpc.aio.StreamStreamCall | None = None
        self._id = ""
        self._numbers = itertools.count()
        self._seats: dict[int, Seat] = {}
        self._requests: asyncio.Queue[inference_pb2.BundleRequest] = asyncio.Queue()

    @property
    def open(self) -> bool:
        return bool(self._id) and not self._closing

    def join(self, kind: Kind) -> Seat | None:
        """A place for one call, to be left with it; None while there is no bundle."""
        if not self.open:
            return None
        number = next(self._numbers)
        seat = self._seats[number] = Seat(self, number, f"{self._id}/{number}", kind)
        return seat

    def leave(self, number: int) -> None:
        self._seats.pop(number, None)
        if self._closing and not self._seats and self._rpc is not None:
            self._rpc.cancel()

    def close(self) -> None:
        """Ends it when the last call has left."""
        self._closing = True
        self.leave(-1)

    def ask(self, request: inference_pb2.BundleRequest) -> None:
        self._requests.put_nowait(request)

    async def run(self, healthy: asyncio.Event) -> None:
        """Until it is closed or cancelled. Waits for `healthy` before each attempt."""
        while not self._closing:
            await healthy.wait()
            missing = await self._run_once()
            await asyncio.sleep(_MISSING_INTERVAL if missing else self._retry_interval)

    async def _run_once(self) -> bool:
        """Returns when it has ended, and the calls with it; whether the worker knows no bundles."""
        rpc = self._rpc = self._stub.Bundle(self._asked())
        error = _broken("the worker ended the stream that its messages come by")
        try:
            async for response in rpc:
                if response.HasField("bundle_id"):
                    self._id = response.bundle_id
                for bundled in response.messages:
                    if seat := self._seats.get(bundled.call):
                        seat.deliver(bundled)
        except grpc.aio.AioRpcError as lost:
            error = lost
        finally:
            self._id = ""
            self._rpc = None
            rpc.cancel()
            for seat in tuple(self._seats.values()):
                seat.lose(error)
        return error.code() is grpc.StatusCode.UNIMPLEMENTED

    async def _asked(self) -> AsyncIterator[inference_pb2.BundleRequest]:
        while True:
            yield await self._requests.get()


class Seat:
    """One call's place in a bundle."""

    def __init__(self, bundle: Bundle, number: int, address: str, kind: Kind) -> None:
        self.metadata = (METADATA, address)
        """Tells the worker of it."""
        self._bundle = bundle
        self._number = number
        self._kind = kind
        self._take: Callable[[Any], None]
        self._fail: Callable[[BaseException], None]
        self._failing: asyncio.TimerHandle | None = None
        self._num_delivered = 0
        self._expected: tuple[int, asyncio.Event] | None = None
        self._lost: grpc.aio.AioRpcError | None = None

    def occupy(self, take: Callable[[Any], None], fail: Callable[[BaseException], None]) -> None:
        """Before the call is made."""
        self._take, self._fail = take, fail

    def lose(self, error: grpc.aio.AioRpcError) -> None:
        """The bundle has ended, and the call soon, too: all its messages may have come, and the
        last one be on its way by the call's own stream."""
        self._lost = error
        if self._expected is not None:
            self._expected[1].set()
        self._failing = asyncio.get_running_loop().call_later(_LAST_WORDS, self._fail, error)

    def deliver(self, bundled: inference_pb2.BundledMessage) -> None:
        self._take(getattr(bundled, self._kind))
        self._num_delivered += 1
        if self._expected is not None and self._num_delivered >= self._expected[0]:
            self._expected[1].set()

    async def own_stream(self, rpc: grpc.aio.UnaryStreamCall) -> AsyncIterator[Any]:
        """What comes by the call's own stream, its end included, each when everything that came
        before it by the bundle was delivered: it may be on its way. Raises AioRpcError."""
        last = None
        try:
            async for last in rpc:
                await self._delivered(last.num_bundled)
                yield last
        except grpc.aio.AioRpcError as error:
            with suppress(grpc.aio.AioRpcError):
                await self._delivered(_num_bundled(error.trailing_metadata()))
            raise
        if last is None:
            await self._delivered(_num_bundled(await rpc.trailing_metadata()))

    async def _delivered(self, number: int) -> None:
        """Raises AioRpcError where they will not come."""
        if self._num_delivered < number and self._lost is None:
            self._expected = (number, asyncio.Event())
            try:
                async with asyncio.timeout(_ON_ITS_WAY):
                    await self._expected[1].wait()
            except TimeoutError:
                raise _broken("the worker told of messages that did not come") from None
        if self._num_delivered < number and self._lost is not None:
            raise self._lost

    def pause(self) -> None:
        self._bundle.ask(inference_pb2.BundleRequest(pause=[self._number]))

    def resume(self) -> None:
        self._bundle.ask(inference_pb2.BundleRequest(resume=[self._number]))

    def leave(self) -> None:
        if self._failing is not None:
            self._failing.cancel()
        self._bundle.leave(self._number)


def _num_bundled(trailer: Any) -> int:
    """Raises AioRpcError: what the worker tells is no number."""
    told = next((value for key, value in trailer or () if key == NUM_BUNDLED), "0")
    # No more digits than a count of messages can have: int() refuses thousands of them.
    if isinstance(told, str) and told.isascii() and told.isdigit() and len(told) <= 18:
        return int(told)
    raise _broken(f"the worker told '{NUM_BUNDLED}' as no number: {told[:40]!r}")


def _broken(why: str) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), why, ""
    )
