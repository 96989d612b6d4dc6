"""A worker: one engine behind one gRPC address."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from rostra.mesh.errors import RostraError
from rostra.mesh.supervisor.ports import claim_port, join_address, split_address
from rostra.mesh.worker.adapters import check_configured
from rostra.mesh.worker.bundles import Bundles
from rostra.mesh.worker.config import WorkerConfig
from rostra.mesh.worker.control import ControlServicer
from rostra.mesh.worker.engine_client import EngineClient
from rostra.mesh.worker.engine_metrics import EngineCollector, Served, TracingCollector
from rostra.mesh.worker.exposure import check_exposure
from rostra.mesh.worker.grammar_checker import GrammarChecker
from rostra.mesh.worker.health import CONTROL, INFERENCE, WorkerHealth
from rostra.mesh.worker.inference import InferenceServicer
from rostra.mesh.worker.join_target import JoinConfig
from rostra.mesh.worker.joining import Joining
from rostra.mesh.worker.metrics import WorkerMetrics
from rostra.mesh.worker.metrics_listener import Listener
from rostra.mesh.worker.model import ServedModel
from rostra.mesh.worker.request_log import Observers
from rostra.mesh.worker.running import RunningRequests
from rostra.mesh.worker.tracing import Tracing
from rostra.v1 import control_pb2_grpc, inference_pb2_grpc

__all__ = ["Worker", "WorkerConfig", "serve"]

T = TypeVar("T")

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 64 * 2**20
CLOSE_GRACE = 0.5
"""Seconds for what is being sent when the server stops, health watches included."""

SERVER_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # Without this a second worker could bind the same port and get half of the calls.
    ("grpc.so_reuseport", 0),
    # Gateways ping to notice a dead worker in seconds; by default gRPC would hang up on them.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 500),
    # The worker pings too: a caller whose host is gone must not keep its requests running.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)


class Worker:
    """`start`, then `drain` where there is time, then `stop`."""

    def __init__(
        self,
        config: WorkerConfig,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        *,
        tls: grpc.ServerCredentials | None = None,
        join: JoinConfig | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """`tls`: None listens in plain text. `join`: the gateways to join.

        Raises RostraError for names of adapters that cannot be, and for gateways that could not
        reach the worker."""
        check_configured(config.adapters, (config.model_name, *config.aliases))
        self._tls = tls
        self._join = join or JoinConfig()
        self._join.check(config.listen)
        self.config = config
        self.health = WorkerHealth()
        self.running = RunningRequests()
        self.metrics = WorkerMetrics(config.model_name)
        self._observers = Observers(self.metrics, tracing)
        self.engine = EngineClient(
            config.engine,
            stall_timeout=config.stall_timeout,
            on_progress=on_progress,
            on_health=self.health.set_able,
            on_step=self.metrics.note_step,
            adapters=config.adapters,
            place=config.place,
        )
        self.checker = GrammarChecker(Path(config.engine.model_path))
        self.bundles = Bundles()
        self._server = grpc.aio.server(options=SERVER_OPTIONS)
        self._joining: Joining | None = None
        adapters = config.engine.max_adapters
        served = Served(config.model_name, config.revision, adapters)
        self.metrics.register(EngineCollector(self.engine, self.running, served))
        if tracing is not None:
            self.metrics.register(TracingCollector(tracing))
        self.listener = (
            None
            if config.metrics is None
            else Listener(config.metrics, self.metrics, lambda: self.health.serving)
        )

    async def start(self) -> str:
        """Returns the address once the engine is ready; until then calls end UNAVAILABLE.

        Raises RostraError for an address that cannot be had and a model that cannot be served.
        `stop` must be called in any case.
        """
        # The engine's process takes seconds to begin with, which the rest needs not wait for.
        starting = asyncio.create_task(self.engine.start())
        try:
            address, control = await self._serve()
            await starting
        finally:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        log.info("serving %s on %s", self.config.model_name, address)
        tls = self._tls is not None
        self._joining = Joining(self._join, control, address, tls=tls)
        self.engine.adapters.on_change = self._joining.changed
        self._joining.start()
        return address

    async def _serve(self) -> tuple[str, ControlServicer]:
        """Answers calls, whether or not there is an engine. Returns the address."""
        model = await asyncio.to_thread(ServedModel.load, self.config)
        health_pb2_grpc.add_HealthServicer_to_server(self.health.servicer, self._server)
        inference_pb2_grpc.add_InferenceServicer_to_server(
            InferenceServicer(
                model, self.engine, self.running, self.checker, self.bundles, self._observers
            ),
            self._server,
        )
        control = ControlServicer(model, self.engine, self.running, self.drain)
        control_pb2_grpc.add_ControlServicer_to_server(control, self._server)
        reflection.enable_server_reflection(
            (INFERENCE, CONTROL, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )
        address = self._listen()
        if self.listener is not None:
            log.info("metrics on %s", await self.listener.start())
        await self.health.start()
        await self._server.start()
        return address, control

    async def drain(self, grace: float | None) -> int:
        """Takes no new work, lets what runs go on for `grace` seconds (None: to its end) and ends
        the rest UNAVAILABLE. Returns how many those were."""
        self.running.draining = True
        if self._joining is not None:
            await self._joining.drain()
        await self.health.drain()
        return await self.running.drain(grace)

    async def stop(self) -> None:
        """Ends everything now, the engine process included."""
        await self.drain(grace=0.0)
        if self._joining is not None:
            await self._joining.close()
        await self.health.stop()
        self.bundles.close()
        await self._server.stop(CLOSE_GRACE)
        if self.listener is not None:
            await self.listener.stop()
        await self.checker.close()
        await self.engine.close()

    def _listen(self) -> str:
        check_exposure(
            self.config.listen,
            guarded=self.config.guarded,
            insecure_public=self.config.insecure_public,
        )
        host, port = split_address(self.config.listen)
        if port:
            claim_port(host, port, "the worker", "--listen")
        try:
            where = join_address(host, port)
            if self._tls is None:
                port = self._server.add_insecure_port(where)
            else:
                port = self._server.add_secure_port(where, self._tls)
        except RuntimeError as error:
            raise RostraError(
                f"the worker cannot listen on {self.config.listen}: choose another with --listen"
            ) from error
        return join_address(host, port)


async def serve(
    config: WorkerConfig,
    *,
    on_ready: Callable[[str], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    tls: grpc.ServerCredentials | None = None,
    join: JoinConfig | None = None,
    tracing: Tracing | None = None,
) -> None:
    """Runs a worker until SIGTERM or SIGINT, then drains it; a second signal ends it at once.

    `on_ready(address)` is called when the engine is ready; `on_progress(done, total)` while weights
    load, in bytes. `tls` and `join` are as for Worker. Raises RostraError when the worker cannot
    start, and when its engine ends and is not for the worker to start again. Needs the main thread.
    """
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    handled = (signal.SIGTERM, signal.SIGINT)
    for number in handled:
        loop.add_signal_handler(number, signals.put_nowait, number)
    worker = Worker(
        config,
        on_progress or (lambda done, total: None),
        tls=tls,
        join=join,
        tracing=tracing,
    )
    try:
        address = await _until_signal(worker.start(), signals)
        if address is None:
            return
        if on_ready is not None:
            on_ready(address)
        if await _until_signal(worker.engine.gone(), signals):
            raise RostraError(
                "the engine ended, and with it the worker: torchrun starts all ranks again"
            )
        log.info("draining for up to %g s", config.drain_grace)
        await _until_signal(worker.drain(config.drain_grace), signals)
    finally:
        await worker.stop()
        for number in handled:
            loop.remove_signal_handler(number)


async def _until_signal(
    work: Coroutine[Any, Any, T], signals: asyncio.Queue[signal.Signals]
) -> T | None:
    """The result of `work`; None if a signal came first, which cancels it."""
    working = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(signals.get())
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        log.info("%s", waiting.result().name)
    finally:
        waiting.cancel()
        working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return None
