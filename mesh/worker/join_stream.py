"""One worker's stream to one gateway, opened again whenever it ended."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from typing import Any, Protocol

import grpc

from rostra.mesh.errors import RostraError
from rostra.mesh.worker.join_target import JoinConfig, JoinTarget
from rostra.v1 import control_pb2, registry_pb2, registry_pb2_grpc

log = logging.getLogger(__name__)

FIRST_ANSWER_TIMEOUT = 10.0
"""Seconds."""
DEFAULT_INTERVAL = 1.0
"""Seconds between messages where a gateway has not said."""
FIRST_BACKOFF = 0.1
MAX_REFUSED_BACKOFF = 30.0
MAX_SAID = 64
STEADY_AFTER = 15.0
"""Seconds after which the end of a stream is not the failure of an attempt. Longer than an attempt
can take, so that two workers that put each other out do so more and more rarely."""
SILENCE = 3
"""Intervals after which a message that could not be sent means that the gateway is gone."""

# A gateway that cannot be reached is tried at least once a heartbeat, so that one that restarts is
# whole again within that. One that says no will say so again: it is asked more and more rarely.
_REFUSALS = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.ABORTED,
}

_CHANNEL_OPTIONS = (
    # A gateway whose host is gone is known in seconds.
    ("grpc.keepalive_time_ms", 3000),
    ("grpc.keepalive_timeout_ms", 3000),
    ("grpc.http2.ping_timeout_ms", 3000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.enable_http_proxy", 0),
    # Each attempt is a connection of its own, with no backoff but the one here.
    ("grpc.use_local_subchannel_pool", 1),
)


class Announcer(Protocol):
    """What a worker says of itself."""

    def server_info(self) -> control_pb2.GetServerInfoResponse: ...

    def models(self) -> Sequence[control_pb2.ModelInfo]: ...

    def load(self) -> control_pb2.GetLoadResponse: ...


class _NotJoinedError(Exception):
    """It did not work; the message says why."""


class GatewayStream:
    """`run` keeps one worker joined to one gateway until it is cancelled or `leave` was called."""

    def __init__(
        self,
        gateway: JoinTarget,
        config: JoinConfig,
        source: Announcer,
        listening: str,
        *,
        tls: bool,
        rng: random.Random | None = None,
    ) -> None:
        self.gateway = gateway
        self.joined = False
        self._config = config
        self._source = source
        self._listening = listening
        self._tls = tls
        self._rng = rng or random.Random()
        self._interval = DEFAULT_INTERVAL
        self._failures = 0
        """Since it was joined for long enough."""
        self._said: set[str] = set()
        """What was logged since it was joined last, which is not logged again."""
        self._told: tuple[str, tuple[str, ...]] = ("", ())
        """What the gateway told last: problem and warnings."""
        self._news = asyncio.Event()
        self._leaving = False
        self._num_sent = 0
        self._sent = asyncio.Condition()

    def changed(self) -> None:
        self._news.set()

    async def tell(self) -> None:
        """Returns once the present state was sent; at once where no stream is open."""
        wanted = self._num_sent + 1
        self._news.set()
        async with self._sent:
            await self._sent.wait_for(lambda: not self.joined or self._num_sent >= wanted)

    async def leave(self) -> None:
        """Returns once the gateway knows."""
        self._leaving = True
        self._news.set()
        async with self._sent:
            await self._sent.wait_for(lambda: not self.joined)

    async def run(self) -> None:
        while not self._leaving:
            limit = MAX_REFUSED_BACKOFF
            began = time.monotonic()
            try:
                await self._join()
            except grpc.aio.AioRpcError as error:
                refused = error.code() in _REFUSALS
                self._say(self._why(error))
                limit = limit if refused else self._interval
            except (_NotJoinedError, OSError, TimeoutError) as error:
                self._say(f"cannot join the gateway at {self.gateway}: {error or 'no answer'}")
                limit = self._interval
            except RostraError as error:
                self._say(f"cannot join the gateway at {self.gateway}: {error}")
            except Exception:
                log.exception("the stream to the gateway at %s failed", self.gateway)
            finally:
                await self._set_joined(False)
            if time.monotonic() - began > STEADY_AFTER:
                self._failures = 0
            backoff = min(limit, FIRST_BACKOFF * 2 ** min(self._failures, 20))
            self._failures += 1
            if not self._leaving:
                await asyncio.sleep(backoff * self._rng.uniform(0.5, 1.0))

    async def _join(self) -> None:
        """Returns when the stream was ended by either side without an error."""
        metadata = []
        if token := self._config.token():
            metadata.append(("authorization", f"Bearer {token}"))
        first = registry_pb2.JoinRequest(
            address=await self._config.address_for(self.gateway, self._listening),
            info=self._source.server_info(),
            models=self._source.models(),
            load=self._source.load(),
            tls=self._tls,
        )
        first.draining = first.load.draining
        async with self._channel() as channel:
            stub: Any = registry_pb2_grpc.RegistryStub(channel)
            call = stub.Join(metadata=metadata)
            try:
                await self._stay(call, first)
            finally:
                call.cancel()

    async def _stay(self, call: Any, first: registry_pb2.JoinRequest) -> None:
        reading = asyncio.create_task(self._read(call, first.address))
        reading.add_done_callback(lambda _: self._news.set())
        version = first.load.models_version
        try:
            await self._write(call, first)
            while True:
                pause = self._interval * self._rng.uniform(0.7, 1.0)
                waiting = asyncio.create_task(self._news.wait())
                await asyncio.wait(
                    (waiting, reading), timeout=pause, return_when=asyncio.FIRST_COMPLETED
                )
                waiting.cancel()
                self._news.clear()
                if reading.done():
                    return reading.result()
                if self._leaving:
                    await call.done_writing()
                    return await reading
                if not self.joined:
                    continue
                load = self._source.load()
                request = registry_pb2.JoinRequest(load=load, draining=load.draining)
                if load.models_version != version:
                    request.models.extend(self._source.models())
                    version = load.models_version
                await self._write(call, request)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _write(self, call: Any, request: registry_pb2.JoinRequest) -> None:
        try:
            async with asyncio.timeout(SILENCE * self._interval):
                await call.write(request)
        except TimeoutError:
            raise _NotJoinedError("it takes no messages") from None
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # The call has ended, and reading it tells why, which writing does not.
            return
        async with self._sent:
            self._num_sent += 1
            self._sent.notify_all()

    async def _read(self, call: Any, address: str) -> None:
        """Returns when the gateway has ended the stream. Raises AioRpcError."""
        async with asyncio.timeout(FIRST_ANSWER_TIMEOUT):
            response = await call.read()
        while response is not grpc.aio.EOF:  # type: ignore[attr-defined] # not in the stubs
            interval = response.heartbeat_interval.ToTimedelta().total_seconds()
            self._interval = interval or DEFAULT_INTERVAL
            if not self.joined:
                self._said.clear()
                log.info("joined the gateway at %s as %s", self.gateway, address)
                await self._set_joined(True)
                # The next message is due by the gateway's interval.
                self._news.set()
            self._note(response.problem, tuple(response.warnings))
            response = await call.read()
        if not self._leaving:
            raise _NotJoinedError("it ended the stream")

    def _note(self, problem: str, warnings: tuple[str, ...]) -> None:
        """Logs what the gateway tells of this worker, where it is new."""
        before, self._told = self._told, (problem, warnings)
        if problem and problem != before[0]:
            log.warning("the gateway at %s does not use this worker: %s", self.gateway, problem)
        elif before[0] and not problem:
            log.info("the gateway at %s uses this worker", self.gateway)
        for warning in warnings if warnings != before[1] else ():
            log.warning("the gateway at %s: %s", self.gateway, warning)

    async def _set_joined(self, joined: bool) -> None:
        async with self._sent:
            self.joined = joined
            self._sent.notify_all()

    def _channel(self) -> grpc.aio.Channel:
        """Raises RostraError where the certificates cannot be read."""
        address, options = self.gateway.address, list(_CHANNEL_OPTIONS)
        if not self.gateway.secure:
            return grpc.aio.insecure_channel(address, options=options)
        tls = self._config.tls
        credentials = grpc.ssl_channel_credentials() if tls is None else tls.credentials()
        return grpc.aio.secure_channel(address, credentials, options=options)

    def _why(self, error: grpc.aio.AioRpcError) -> str:
        details = error.details() or error.code().name
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return f"at {self.gateway} is no registry of a gateway: is it the address of a worker?"
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"the gateway at {self.gateway} took this worker out: {details}"
        if error.code() in _REFUSALS:
            return f"the gateway at {self.gateway} refuses this worker: {details}"
        words = self._config.explain(details, self.gateway.address)
        return f"cannot reach the gateway at {self.gateway}: {words}"

    def _say(self, what: str) -> None:
        """Logs it once, however often it is tried again."""
        if what not in self._said and not self._leaving:
            log.warning("%s; trying again at intervals", what)
            # There are few reasons; should there be many, some are told again.
            if len(self._said) >= MAX_SAID:
                self._said.clear()
            self._said.add(what)
