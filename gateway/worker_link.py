"""The gateway's view of one worker."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rostra.gateway.bundle import Bundle, Kind, Seat
from rostra.gateway.failover.breaker import Breaker
from rostra.gateway.settings import GatewaySettings
from rostra.v1 import control_pb2, control_pb2_grpc, inference_pb2_grpc

logger = logging.getLogger(__name__)

_HEALTH_SERVICE = "rostra.v1.Inference"
_SERVING = health_pb2.HealthCheckResponse.SERVING


class _WorkerGoneError(Exception):
    """The worker cannot be used; the message says why."""


def channel_options(settings: GatewaySettings) -> list[tuple[str, int]]:
    return [
        ("grpc.keepalive_time_ms", int(settings.keepalive_interval * 1000)),
        ("grpc.keepalive_timeout_ms", int(settings.keepalive_timeout * 1000)),
        # A ping of another kind may be under way already, and then only its own timeout counts.
        ("grpc.http2.ping_timeout_ms", int(settings.keepalive_timeout * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        # The least time an attempt to connect is given, whatever the backoff says.
        ("grpc.min_reconnect_backoff_ms", 2000),
        ("grpc.max_reconnect_backoff_ms", 1000),
        # Workers are members of the mesh: never reached through the environment's web proxy.
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        # Errors travel in trailers, with their details twice.
        ("grpc.max_metadata_size", 65536),
        # Channels of other gateways in this process must not share a dead connection's backoff.
        ("grpc.use_local_subchannel_pool", 1),
    ]


class WorkerLink:
    """One channel to one worker, and what is known of it: health, models, load.

    `run` keeps that up to date until it is cancelled. `on_change` is called whenever `serving`
    or `models` may have changed.
    """

    external = False
    owner = "rostra"
    share = 1.0

    def __init__(
        self, address: str, settings: GatewaySettings, on_change: Callable[[], None]
    ) -> None:
        self.address = address
        self.models: dict[str, control_pb2.ModelInfo] = {}
        """By name and by alias. What the worker served last, also while it is gone."""
        self.first_seen: dict[str, int] = {}
        """Unix time at which the gateway first met each model, by name."""
        self.load = control_pb2.GetLoadResponse()
        self.reason = "not reached yet"
        """Why the worker is not serving; empty when it is."""
        self.breaker = Breaker(settings.failover, on_change)
        self._settings = settings
        self._on_change = on_change
        self._models_version = 0
        """Of the reading that `models` are from; see `GetLoadResponse`."""
        self._credit = 0
        self._healthy = asyncio.Event()
        self._channel = grpc.aio.insecure_channel(address, options=channel_options(settings))
        self._inference = inference_pb2_grpc.InferenceStub(self._channel)
        self.bundle = Bundle(self._inference, settings.connect_interval)
        self._bundling: asyncio.Task[None] | None = None
        self._control = control_pb2_grpc.ControlStub(self._channel)
        self._health = health_pb2_grpc.HealthStub(self._channel)

    @property
    def serving(self) -> bool:
        return not self.reason

    @property
    def wait(self) -> float:
        return self.breaker.wait

    @property
    def pending_requests(self) -> int:
        """Requests at the worker: its last report, corrected by this gateway's own since then."""
        reported = self.load.running_requests + self.load.waiting_requests
        return max(0, reported + self._credit)

    @property
    def queued_tokens(self) -> int:
        return self.load.queued_tokens

    @property
    def control(self) -> control_pb2_grpc.ControlAsyncStub:
        return self._control

    def refusal(self, request: Any) -> grpc.aio.AioRpcError | None:
        return None

    def inference_for(self, *, whole: bool) -> inference_pb2_grpc.InferenceAsyncStub:
        return self._inference

    def seat(self, kind: Kind) -> Seat | None:
        return self.bundle.join(kind)

    def dispatched(self) -> None:
        self._credit += 1

    def finished(self) -> None:
        self._credit -= 1

    async def run(self) -> None:
        # By itself: calls go on while the worker is out, and so does what brings their messages.
        self._bundling = asyncio.create_task(self.bundle.run(self._healthy))
        while True:
            self._healthy.clear()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._watch_health())
                    group.create_task(self._poll())
            except* grpc.aio.AioRpcError as errors:
                first = errors.exceptions[0]
                assert isinstance(first, grpc.aio.AioRpcError)
                self._set_reason(_why(first))
            except* _WorkerGoneError as gone:
                self._set_reason(str(gone.exceptions[0]))
            except* Exception:
                logger.exception("following worker %s failed; trying again", self.address)
                self._set_reason("the gateway failed to follow it; its log has the details")
            await asyncio.sleep(self._settings.connect_interval)

    async def close(self, grace: float) -> None:
        """Ends what still runs on the channel after `grace` seconds."""
        self.bundle.close()
        await self._channel.close(grace)
        if self._bundling is not None:
            self._bundling.cancel()

    async def _watch_health(self) -> None:
        request = health_pb2.HealthCheckRequest(service=_HEALTH_SERVICE)
        async for response in self._health.Watch(request):
            if response.status == _SERVING:
                self._healthy.set()
            else:
                self._healthy.clear()
                name = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
                self._set_reason(f"its health is {name}")
        raise _WorkerGoneError("its health stream ended")

    async def _poll(self) -> None:
        timeout = self._settings.load_timeout
        while True:
            await self._healthy.wait()
            load = await self._control.GetLoad(control_pb2.GetLoadRequest(), timeout=timeout)
            # A worker that comes back may be another process with other models; and one that serves
            # says so when it has got or lost an adapter.
            if not self.serving or load.models_version != self._models_version:
                request = control_pb2.GetModelInfoRequest()
                self._take_models(await self._control.GetModelInfo(request, timeout=timeout))
                self._models_version = load.models_version
            if self._healthy.is_set():
                self.load = load
                self._credit = 0
                self._set_reason("it is draining" if load.draining else "")
            await asyncio.sleep(self._settings.load_interval)

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
        if reason == self.reason:
            return
        was_serving, self.reason = self.serving, reason
        if not reason:
            self.breaker.reset()
            logger.info("worker %s serves %s", self.address, ", ".join(self.models))
        elif was_serving:
            logger.warning("worker %s is out: %s", self.address, reason)
        else:
            logger.info("worker %s is still out: %s", self.address, reason)
        self._on_change()


def _why(error: grpc.aio.AioRpcError) -> str:
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return "it does not answer"
    return f"{error.code().name}: {error.details()}"
