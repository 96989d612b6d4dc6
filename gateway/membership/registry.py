"""`rostra.v1.Registry`: workers join here."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any, NoReturn

import grpc
from google.protobuf.duration_pb2 import Duration

from rostra.gateway.grpc_status import status_error
from rostra.gateway.membership.state import (
    JoinRefusedError,
    RegistryState,
    Seat,
    View,
    seat_of,
)
from rostra.gateway.membership.tokens import JoinToken, JoinTokens
from rostra.v1 import registry_pb2, registry_pb2_grpc

logger = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
InstanceAt = Callable[[str], Awaitable[str]]
"""The instance id that answers at an address; empty: nobody does."""

INTERVALS = 3
"""Of silence, after which a worker is out."""
_REPEAT = 600.0
"""Seconds after which the same refusal is logged again."""
_MAX_REFUSALS = 256
_FIRST_MESSAGE = 10.0
"""Seconds for it to come."""


class RegistryServicer(registry_pb2_grpc.RegistryServicer):
    """Keeps `state` as the streams of workers say; `run` has to run beside it."""

    def __init__(
        self,
        state: RegistryState,
        interval: float,
        tokens: JoinTokens | None,
        instance_at: InstanceAt,
        *,
        tls: bool,
    ) -> None:
        """`interval`: seconds between a worker's messages. `tls`: whether workers are called with
        TLS."""
        self._state = state
        self._interval = interval
        self._tokens = tokens
        self._instance_at = instance_at
        self._tls = tls
        self._gateway_id = uuid.uuid4().hex
        self._told: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._secrets: dict[Seat, str] = {}

    async def run(self) -> None:
        """Takes out who is silent, and whose token is not good any more."""
        pause = self._interval / 2
        while True:
            before = time.monotonic()
            await asyncio.sleep(pause)
            late = time.monotonic() - before - pause
            if late > pause:
                # Where this process was held up itself, messages are still to be read.
                self._state.forgive(late)
            self._state.expire()
            for seat, secret in list(self._secrets.items()):
                if (why := self._token_refusal(secret, seat)) is not None:
                    self._state.end(seat, why)

    async def Join(  # type: ignore[override] # the stubs know no generators
        self, requests: AsyncIterator[registry_pb2.JoinRequest], context: Context
    ) -> None:
        secret = _secret(context)
        try:
            seat = await self._seat(requests, secret)
        except JoinRefusedError as refusal:
            await self._refuse(context, refusal)
        logger.info(
            "worker %s has joined (%s, version %s)",
            seat.address,
            ", ".join(model.name for model in seat.member.models),
            seat.member.info.version or "unknown",
        )
        try:
            await self._stay(seat, requests, context)
        finally:
            self._state.leave(seat)
            self._secrets.pop(seat, None)
            if seat.ending is None:
                logger.info("worker %s has left", seat.address)
            else:
                logger.warning("worker %s is out: %s", seat.address, seat.ending)

    async def Watch(  # type: ignore[override] # the stubs know no generators
        self, request: registry_pb2.WatchRequest, context: Context
    ) -> None:
        secret = _secret(context)
        view = View()
        news = asyncio.Event()
        news.set()

        self._state.watch(news.set)
        first = True
        try:
            while True:
                refusal = self._token_refusal(secret)
                if refusal is not None:
                    await self._refuse(context, refusal)
                if news.is_set():
                    news.clear()
                    changes = self._state.changes(view)
                    if changes or first:
                        await context.write(registry_pb2.WatchResponse(changes=changes))
                    first = False
                try:
                    async with asyncio.timeout(self._interval):
                        await news.wait()
                except TimeoutError:
                    continue
        finally:
            self._state.unwatch(news.set)

    async def _seat(self, requests: AsyncIterator[registry_pb2.JoinRequest], secret: str) -> Seat:
        """Takes in who sends the first message. Raises JoinRefusedError."""
        if (why := self._token_refusal(secret)) is not None:
            raise why
        try:
            async with asyncio.timeout(_FIRST_MESSAGE):
                first = await anext(aiter(requests))
        except (TimeoutError, StopAsyncIteration):
            raise JoinRefusedError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "invalid_value",
                "the first message, with address, info and models, did not come",
            ) from None
        seat = seat_of(first, tls=self._tls)
        if (why := self._token_refusal(secret, seat)) is not None:
            raise why
        # Whoever answers at an address has it: no clock has to tell which of two is the newer.
        rival = self._state.rival(seat)
        supersede = rival is not None and await self._instance_at(seat.address) == seat.instance_id
        self._state.join(seat, supersede=supersede)
        if self._tokens is not None:
            self._secrets[seat] = secret
        return seat

    async def _stay(
        self, seat: Seat, requests: AsyncIterator[registry_pb2.JoinRequest], context: Context
    ) -> None:
        """Returns when the worker has ended the stream."""
        wake = asyncio.Event()
        wake.set()
        seat.wake = wake.set
        reading = asyncio.create_task(self._read(seat, requests))
        reading.add_done_callback(lambda _: wake.set())
        try:
            while not reading.done():
                await wake.wait()
                wake.clear()
                if seat.ending is not None:
                    await self._abort(context, seat.ending)
                if not reading.done():
                    async with asyncio.timeout(self._state.silence):
                        await context.write(self._response(seat))
            reading.result()
        except TimeoutError:
            await self._abort(context, _not_reading(self._state.silence))
        finally:
            reading.cancel()

    async def _read(self, seat: Seat, requests: AsyncIterator[registry_pb2.JoinRequest]) -> None:
        async for request in requests:
            self._state.update(seat, request)
            if request.models and seat in self._secrets:
                why = self._token_refusal(self._secrets[seat], seat)
                if why is not None:
                    self._state.end(seat, why)

    def _response(self, seat: Seat) -> registry_pb2.JoinResponse:
        interval = Duration()
        interval.FromTimedelta(timedelta(seconds=self._interval))
        return registry_pb2.JoinResponse(
            gateway_id=self._gateway_id,
            heartbeat_interval=interval,
            problem=seat.member.problem,
            warnings=seat.warnings,
        )

    def _token_refusal(self, secret: str, seat: Seat | None = None) -> JoinRefusedError | None:
        """Why this token is not good, or not for this worker."""
        if self._tokens is None:
            return None
        token = self._tokens.find(secret)
        if not isinstance(token, JoinToken):
            return JoinRefusedError(grpc.StatusCode.UNAUTHENTICATED, "invalid_token", token)
        if seat is not None and (why := token.refusal(seat.address, seat.member.models)):
            return JoinRefusedError(grpc.StatusCode.PERMISSION_DENIED, "token_not_for_this", why)
        return None

    async def _refuse(self, context: Context, refusal: JoinRefusedError) -> NoReturn:
        """Ends a call, and logs why: once, however often the caller comes back."""
        peer = context.peer()
        # Without the port, which is another one each time.
        host = peer.rpartition(":")[0]
        now = time.monotonic()
        last = self._told.pop((host, str(refusal)), None)
        if last is None or now - last > _REPEAT:
            logger.warning("refused a worker from %s: %s", peer, refusal)
            last = now
        self._told[host, str(refusal)] = last
        if len(self._told) > _MAX_REFUSALS:
            self._told.popitem(last=False)
        await self._abort(context, refusal)

    async def _abort(self, context: Context, refusal: JoinRefusedError) -> NoReturn:
        status = status_error(refusal.code, str(refusal), reason=refusal.reason)
        trailing: Any = tuple(status.trailing_metadata())
        await context.abort(refusal.code, str(refusal), trailing)


class RegistryMembership:
    """The workers that have joined, as a source of members."""

    def __init__(self, state: RegistryState) -> None:
        self._state = state

    async def addresses(self) -> AsyncIterator[frozenset[str]]:
        news = asyncio.Event()

        def changed(_: str) -> None:
            news.set()

        self._state.listen(changed)
        last: Iterable[str] | None = None
        try:
            while True:
                news.clear()
                addresses = self._state.addresses
                if addresses != last:
                    last = addresses
                    yield addresses
                await news.wait()
        finally:
            self._state.forget(changed)


def _secret(context: Context) -> str:
    metadata = dict(context.invocation_metadata() or ())
    value = metadata.get("authorization", "")
    scheme, _, secret = str(value).partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _not_reading(seconds: float) -> JoinRefusedError:
    message = f"the worker did not read what it was told for {seconds:g} s"
    return JoinRefusedError(grpc.StatusCode.DEADLINE_EXCEEDED, "silent", message)
