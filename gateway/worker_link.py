"""The gateway's view of one worker."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from rostra.gateway.bundle import Bundle, Kind, Seat
from rostra.gateway.errors import GatewayError
from rostra.gateway.failover.breaker import Breaker
from rostra.gateway.membership.claims import claims_problem
from rostra.gateway.membership.contract import revision_problem
from rostra.gateway.routing.reckoning import Reckoning, Traffic
from rostra.gateway.settings import GatewaySettings
from rostra.gateway.tls import CallerTls, explain
from rostra.gateway.worker_channel import WorkerChannel
from rostra.v1 import control_pb2, control_pb2_grpc, inference_pb2_grpc, registry_pb2

logger = logging.getLogger(__name__)

_HEALTH_SERVICE = "rostra.v1.Inference"
_SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_REACHED = "not reached yet"
DRAINING = "it is draining"


class _WorkerGoneError(Exception):
    """The worker cannot be used; the message says why."""


def _nobody(link: WorkerLink, instance_id: str) -> str | None:
    return None


class WorkerLink:
    """One channel to one worker, and what is known of it: health, models, load.

    `run` keeps that up to date until it is cancelled. `on_change` is called whenever `serving`
    or `models` may have changed.

    A worker that has joined says its load by itself, and `announce` takes it in. What stays is what
    only a call in this direction can tell, since this is how requests go: that the worker can be
    reached (its health stream, on a connection with pings), and that who answers at the address is
    who has joined, and serves what it said.
    """

    external = False
    owner = "rostra"
    share = 1.0

    def __init__(
        self,
        address: str,
        settings: GatewaySettings,
        on_change: Callable[[], None],
        *,
        tls: CallerTls | None = None,
        same_instance: Callable[[WorkerLink, str], str | None] = _nobody,
        traffic: Traffic | None = None,
    ) -> None:
        """`same_instance(self, instance_id)`: the address of another worker in use with that id.
        `traffic`: what is known of all workers'.

        Raises GatewayError where the certificates cannot be read."""
        self.address = address
        self.models: dict[str, control_pb2.ModelInfo] = {}
        """By name and by alias. What the worker served last, also while it is gone."""
        self.first_seen: dict[str, int] = {}
        """Unix time at which the gateway first met each model, by name."""
        self.load = control_pb2.GetLoadResponse()
        self.info = control_pb2.GetServerInfoResponse()
        """Who answers at the address; empty where that was not told."""
        self.reason = NOT_REACHED
        """Why the worker is not serving; empty when it is."""
        self.breaker = Breaker(settings.failover, on_change)
        self.since = time.monotonic()
        """When it began or ceased to serve."""
        self.announced: registry_pb2.Member | None = None
        """What the worker said of itself, while it is joined."""
        self._settings = settings
        self._tls = tls
        self._on_change = on_change
        self._same_instance = same_instance
        self._models_version = 0
        """Of the reading that `models` are from; see `GetLoadResponse`."""
        self._reckoning = Reckoning(traffic or Traffic())
        self._healthy = asyncio.Event()
        self._news = asyncio.Event()
        """There is a reason to read again before the interval is over."""
        self._channel = WorkerChannel(address, settings, tls)
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def bundle(self) -> Bundle:
        return self._channel.bundle

    @property
    def serving(self) -> bool:
        return not self.reason

    @property
    def wait(self) -> float:
        return self.breaker.wait

    @property
    def room(self) -> float:
        load, backlog = self.load, self._settings.admission.worker_backlog
        if not load.HasField("max_running_requests"):
            return math.inf
        if load.kv_blocks_total and load.waiting_requests > backlog:
            # Its cache is full before its seats are.
            return 0.0
        return max(0.0, load.max_running_requests + backlog - self._reckoning.known)

    @property
    def pending_requests(self) -> int:
        """Requests at the worker: its last report, corrected by what was sent and ended since."""
        return self._reckoning.pending

    @property
    def queued_tokens(self) -> int:
        return self.load.queued_tokens

    @property
    def control(self) -> control_pb2_grpc.ControlAsyncStub:
        return self._channel.control

    def refusal(self, request: Any) -> grpc.aio.AioRpcError | None:
        return None

    def inference_for(self, *, whole: bool) -> inference_pb2_grpc.InferenceAsyncStub:
        return self._channel.inference

    def seat(self, kind: Kind) -> Seat | None:
        return self.bundle.join(kind)

    def dispatched(self) -> None:
        self._reckoning.sent()

    def finished(self) -> None:
        self._reckoning.ended()

    def announce(self, member: registry_pb2.Member | None) -> None:
        """The worker has said this of itself. None: it is no longer joined."""
        first = self.announced is None
        self.announced = member
        if member is None or first:
            self._news.set()
        if member is None or not self.serving:
            return
        if self.info.instance_id != member.info.instance_id:
            self._set_reason("another worker has joined with its address")
            self._news.set()
            return
        self._take_load(member.load)
        if member.draining or member.load.draining:
            self._set_reason(DRAINING)
        elif member.load.models_version != self._models_version:
            self._news.set()

    async def run(self) -> None:
        self._channel.begin(self._healthy)
        # A task group that fails as it is cancelled raises the failure alone, so that the
        # cancellation does not end this loop.
        while not self._closed:
            self._healthy.clear()
            pause = self._settings.connect_interval
            try:
                self._renew_channel()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._watch_health())
                    group.create_task(self._follow())
            except* grpc.aio.AioRpcError as errors:
                first = errors.exceptions[0]
                assert isinstance(first, grpc.aio.AioRpcError)
                self._set_reason(self._why(first))
            except* (_WorkerGoneError, GatewayError) as gone:
                self._set_reason(str(gone.exceptions[0]))
                # It was reached: asking at once again will not change its answer.
                pause = max(pause, self._settings.load_interval)
            except* Exception:
                if not self._closed:
                    logger.exception("following worker %s failed; trying again", self.address)
                self._set_reason("the gateway failed to follow it; its log has the details")
            await asyncio.sleep(pause)

    async def close(self, grace: float) -> None:
        """Ends what still runs on the channel after `grace` seconds."""
        self._closed = True
        await self._channel.close(grace)
        if self._closing:
            await asyncio.wait(self._closing)

    def _renew_channel(self) -> None:
        """Opens another where certificates have changed. Raises GatewayError."""
        if not self._channel.outdated:
            return
        fresh = WorkerChannel(self.address, self._settings, self._tls)
        before, self._channel = self._channel, fresh
        closing = asyncio.create_task(before.close(self._settings.drain_grace))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        fresh.begin(self._healthy)

    async def _watch_health(self) -> None:
        request = health_pb2.HealthCheckRequest(service=_HEALTH_SERVICE)
        async for response in self._channel.health.Watch(request):
            if response.status == _SERVING:
                self._healthy.set()
                self._news.set()
            else:
                self._healthy.clear()
                name = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
                self._set_reason(f"its health is {name}")
        raise _WorkerGoneError("its health stream ended")

    async def _follow(self) -> None:
        while True:
            await self._healthy.wait()
            self._news.clear()
            await self._read()
            # A worker that has joined says by itself what is new.
            quiet = self.announced is not None and self.reason in ("", DRAINING)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if quiet else self._settings.load_interval):
                    await self._news.wait()

    async def _read(self) -> None:
        timeout = self._settings.load_timeout
        load = await self._channel.control.GetLoad(control_pb2.GetLoadRequest(), timeout=timeout)
        # A worker that comes back may be another process with other models; and one that serves
        # says so when it has got or lost an adapter.
        if not self.serving:
            self._take_info(await self._read_info(timeout))
        if not self.serving or load.models_version != self._models_version:
            request = control_pb2.GetModelInfoRequest()
            found = await self._channel.control.GetModelInfo(request, timeout=timeout)
            if problem := claims_problem(self.announced, found, load.models_version):
                raise _WorkerGoneError(problem)
            self._take_models(found)
            self._models_version = load.models_version
        # Last of all: another may have come to serve meanwhile.
        self._check_instance()
        if self._healthy.is_set():
            self._take_load(load)
            self._set_reason(DRAINING if load.draining else "")

    async def _read_info(self, timeout: float) -> control_pb2.GetServerInfoResponse:
        request = control_pb2.GetServerInfoRequest()
        try:
            return await self._channel.control.GetServerInfo(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            return control_pb2.GetServerInfoResponse()

    def _take_info(self, info: control_pb2.GetServerInfoResponse) -> None:
        """Raises _WorkerGoneError where it is not a worker to be used."""
        self.info = info
        if problem := revision_problem(info.contract_revision):
            raise _WorkerGoneError(problem)
        if self.announced is not None and info.instance_id != self.announced.info.instance_id:
            raise _WorkerGoneError(
                f"another worker answers at {self.address} (instance {info.instance_id or 'none'}) "
                f"than the one that joined (instance {self.announced.info.instance_id})"
            )

    def _check_instance(self) -> None:
        """Raises _WorkerGoneError where another worker is in use with the same id."""
        mine = self.info.instance_id
        other = self._same_instance(self, mine) if mine and not self.serving else None
        if other is not None:
            raise _WorkerGoneError(
                f"it has the instance id of the worker at {other} ({mine}): either both addresses "
                "are one worker's, or one of two has to start again"
            )

    def _take_load(self, load: control_pb2.GetLoadResponse) -> None:
        self.load = load
        pending = load.running_requests + load.waiting_requests
        self._reckoning.report(pending, pending + load.finished_requests, time.monotonic())

    def _take_models(self, response: control_pb2.GetModelInfoResponse) -> None:
        if not response.models:
            raise _WorkerGoneError("it serves no model")
        self.models = {
            name: model for model in response.models for name in (model.name, *model.aliases)
        }
        for model in response.models:
            self.first_seen.setdefault(model.name, int(time.time()))
        if self.serving:
            logger.info("worker %s now serves %s", self.address, ", ".join(self.models))
            self._on_change()

    def _set_reason(self, reason: str) -> None:
        if reason == self.reason or self._closed:
            return
        was_serving, self.reason = self.serving, reason
        if was_serving != self.serving:
            self.since = time.monotonic()
        if not reason:
            self.breaker.reset()
            logger.info("worker %s serves %s", self.address, ", ".join(self.models))
        elif was_serving:
            logger.warning("worker %s is out: %s", self.address, reason)
        else:
            logger.info("worker %s is still out: %s", self.address, reason)
        self._on_change()

    def _why(self, error: grpc.aio.AioRpcError) -> str:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return "it does not answer"
        details = error.details() or ""
        words = explain(details, self.address, self._tls)
        return f"{error.code().name}: {details}" if words == details else words
