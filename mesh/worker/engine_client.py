"""The server's side of the engine: starts its processes, feeds it, restarts it when it dies."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from rostra.mesh.distributed.place import Place
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.messages import EmbeddingRequest, EngineLoad, EngineRequest
from rostra.mesh.errors import RostraError
from rostra.mesh.supervisor.restarts import Restarts
from rostra.mesh.worker import wire
from rostra.mesh.worker.adapters import EngineAdapters
from rostra.mesh.worker.cache_feed import CacheFeed
from rostra.mesh.worker.engine_connection import ENGINE_COMMAND
from rostra.mesh.worker.engine_group import Ending, EngineGroup
from rostra.mesh.worker.engine_load import LoadReadings
from rostra.mesh.worker.engine_stream import (
    EngineFullError,
    EngineNoAdapterError,
    EngineRefusedError,
    EngineStream,
    EngineTooLongError,
    EngineUnavailableError,
    OnStep,
    StepFigures,
    shutting_down,
)

log = logging.getLogger(__name__)

STEADY_AFTER = 60.0
"""An engine that was ready for this long (seconds) restarts with the first backoff again."""
HEALTH_INTERVAL = 0.25
END_AFTER = 2.0
"""An engine that has stalled for this many times `stall_timeout` is ended and started again."""

REFUSALS: dict[wire.Refusal, type[Exception]] = {
    wire.Refusal.QUEUE_FULL: EngineFullError,
    wire.Refusal.TOO_LONG: EngineTooLongError,
    wire.Refusal.INVALID: EngineRefusedError,
    wire.Refusal.NO_ADAPTER: EngineNoAdapterError,
}


class EngineClient:
    """One engine in processes of its own. All methods belong to one event loop."""

    def __init__(
        self,
        config: EngineConfig,
        *,
        stall_timeout: float = 60.0,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        on_health: Callable[[bool], None] = lambda able: None,
        command: Sequence[str] = ENGINE_COMMAND,
        place: Place | None = None,
        on_step: Callable[[StepFigures], None] = lambda step: None,
        adapters: Mapping[str, str] | None = None,
    ) -> None:
        """`stall_timeout`: seconds without a sign of life, or with one step, after which the
        engine counts as unable; after twice that it is ended.
        `place`: of the engine among ranks that somebody else starts, and starts again when one
        ends. None: this client does, for all of them.
        `adapters`: folders by name, of those that are loaded before the engine is ready.
        `on_progress(done, total)` is called while weights load, in bytes; `on_health` whenever the
        engine became able or unable; `on_step` after each step."""
        self.info: wire.EngineInfo | None = None
        """Of the engine that runs or ran last; None until the first was ready."""
        self.num_restarts = 0
        self.adapters = EngineAdapters(self._send, self._require_able, adapters or {})
        self.cache = CacheFeed(self._send)
        self._config = config
        self._stall_timeout = stall_timeout
        self._on_progress = on_progress
        self._on_health = on_health
        self._on_step = on_step
        self._command = command
        self._place = place
        self._group: EngineGroup | None = None
        self._built: wire.EngineInfo | None = None
        """Of an engine that is there, but still lacks adapters it is to have."""
        self._ready = False
        self._closing = False
        self._last_heard = 0.0
        self._busy_since: float | None = None
        self._stall = ""
        """Why it was ended by this client, if it was."""
        self._gone = asyncio.Event()
        self._readings = LoadReadings()
        self._streams: dict[str, EngineStream] = {}
        self._reported_able = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> wire.EngineInfo:
        """Returns when the engine is ready. Raises RostraError when it cannot start."""
        started: asyncio.Future[wire.EngineInfo] = asyncio.get_running_loop().create_future()
        self._tasks = [
            asyncio.create_task(self._keep_running(started), name="engine"),
            asyncio.create_task(self._watch_health(), name="engine-health"),
        ]
        # A bug in the loop must surface here and not leave the caller waiting.
        await asyncio.wait((started, self._tasks[0]), return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            await self._tasks[0]
        return started.result()

    async def close(self) -> None:
        """Ends the processes, and all streams with EngineUnavailableError. Idempotent."""
        self._closing = True
        self._report_health()
        self._fail_streams(shutting_down())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def gone(self) -> bool:
        """True, at the end of an engine that is not for this client to start again."""
        return await self._gone.wait()

    @property
    def pids(self) -> list[int]:
        """Of the engine's processes, by rank; none between two engines."""
        return [] if self._group is None else self._group.pids

    @property
    def able(self) -> bool:
        """Whether the engine serves: it is idle, or finished a step recently."""
        return self._trouble() is None

    @property
    def max_running_requests(self) -> int | None:
        """The most that can run at once, of generations, or of requests for vectors that take turns
        with their inputs; None before the engine was ready."""
        return None if self.info is None else self._config.max_num_seqs

    @property
    def load(self) -> EngineLoad:
        """The last reading; counters since `start`."""
        return self._readings.total

    def require_info(self) -> wire.EngineInfo:
        """Raises EngineUnavailableError where no engine was ready yet."""
        if self.info is None:
            raise EngineUnavailableError("starting", "the engine is starting")
        return self.info

    async def submit(
        self, *requests: EngineRequest | EmbeddingRequest, on_step: OnStep | None = None
    ) -> EngineStream:
        """Returns once the engine has taken all of these requests in. `on_step` is told of each
        step that made something for them.

        Raises EngineUnavailableError, EngineFullError, EngineTooLongError or EngineRefusedError;
        then none of them runs. The caller must read the stream to its end or `abort` it.
        """
        self._require_able()
        stream = EngineStream(requests, self._forget, on_step)
        self._streams.update((request.request_id, stream) for request in requests)
        self._send(wire.Add(list(requests)))
        try:
            await stream.admitted
        except asyncio.CancelledError:
            stream.abort()
            raise
        return stream

    def _require_able(self) -> None:
        if (trouble := self._trouble()) is not None:
            raise trouble

    def _trouble(self) -> EngineUnavailableError | None:
        if self._closing:
            return shutting_down()
        if not self._ready:
            if self.info is None:
                return EngineUnavailableError("starting", "the engine is starting")
            return EngineUnavailableError(
                "engine_failed", "the engine failed and is being started again"
            )
        stalled = self._stalled_for()
        if stalled < self._stall_timeout:
            return None
        return EngineUnavailableError(
            "engine_stalled", f"the engine has not finished a step for {stalled:.0f} s"
        )

    def _stalled_for(self) -> float:
        """Seconds since the last sign of life, or since the step began that is going on."""
        now = time.monotonic()
        return max(now - self._last_heard, now - (self._busy_since or now))

    def _forget(self, request_ids: Sequence[str]) -> None:
        for name in request_ids:
            self._streams.pop(name, None)
        self._send(wire.Abort(list(request_ids)))

    def _send(self, command: wire.Command) -> None:
        # Without a connection there is nothing that could run on.
        if self._group is not None:
            self._group.send(command)

    async def _keep_running(self, started: asyncio.Future[wire.EngineInfo]) -> None:
        restarts = Restarts(STEADY_AFTER)
        while True:
            restarts.started()
            ending = await self._run_once(started)
            if not started.done():
                message = ending.message
                if not ending.mendable:
                    message = f"the engine did not start: {message}"
                started.set_exception(RostraError(message))
                return
            if self._place is not None:
                log.error("the engine ended (%s)", ending.message)
                self._gone.set()
                return
            pause = restarts.pause()
            log.error("the engine ended (%s); starting it again in %.1f s", ending.message, pause)
            await asyncio.sleep(pause)
            self.num_restarts += 1

    async def _run_once(self, started: asyncio.Future[wire.EngineInfo]) -> Ending:
        """Runs one engine to its end."""
        self._stall = ""
        try:
            group = await EngineGroup.open(self._config, self._command, self._place)
        except OSError as error:
            return Ending(f"no process could be started: {error.strerror}", mendable=False)
        self._group = group
        try:
            async for event in group.events():
                self._take(event, started)
        finally:
            self._group = self._built = None
            self._ready = False
            self._readings.engine_ended()
            self._report_health()
            died = EngineUnavailableError("engine_failed", "the engine process died")
            self._fail_streams(died)
            self.adapters.fail(died)
            self.cache.engine_ended()
            ending = await group.close()
        return Ending(self._stall, mendable=False) if self._stall else ending

    def _take(self, event: wire.Event, started: asyncio.Future[wire.EngineInfo]) -> None:
        self._last_heard = time.monotonic()
        if isinstance(event, wire.Turn):
            self._take_turn(event)
            self._open_if_whole(started)
        elif isinstance(event, wire.Heartbeat):
            self._busy_since = event.busy_since
        elif isinstance(event, wire.Progress):
            self._on_progress(event.done, event.total)
        elif isinstance(event, wire.Ready):
            self._built, self._busy_since = event.info, None
            self._readings.engine_began(event.load)
            self.adapters.restore()
            self.cache.engine_began()
            self._open_if_whole(started)

    def _open_if_whole(self, started: asyncio.Future[wire.EngineInfo]) -> None:
        """Takes requests from when the engine and what adapters it is to have are ready."""
        if self._built is None or self.adapters.restoring:
            return
        info, self._built = self._built, None
        if not started.done():
            if self.adapters.failure is not None:
                started.set_exception(RostraError(self.adapters.failure))
                return
            started.set_result(info)
        self.info, self._ready = info, True
        self._report_health()

    def _take_turn(self, turn: wire.Turn) -> None:
        self._busy_since = None
        step = self._readings.take(turn, self._last_heard)
        if step is not None:
            self._on_step(step)
        self.adapters.take(turn.adapters)
        if turn.cache is not None:
            self.cache.take(turn.cache)
        for admission in turn.admissions:
            stream = self._streams.get(admission.request_id)
            if stream is None:
                continue
            if admission.refusal is not None:
                stream.fail(REFUSALS[admission.refusal](admission.message))
            elif not stream.admitted.done():
                stream.admitted.set_result(None)
        for output in turn.outputs:
            stream = self._streams.get(output.request_id)
            if stream is not None:
                if stream.on_step is not None and step is not None:
                    stream.on_step(output, step)
                stream.put(output)
                if output.finish is not None:
                    del self._streams[output.request_id]

    def _fail_streams(self, error: EngineUnavailableError) -> None:
        for stream in list(self._streams.values()):
            stream.fail(error)

    async def _watch_health(self) -> None:
        """A stall is an absence of events, so nothing but the clock tells of it."""
        while True:
            slept_at = time.monotonic()
            await asyncio.sleep(HEALTH_INTERVAL)
            self._report_health()
            # Where this process was held up itself, signs of life are still to be read.
            punctual = time.monotonic() - slept_at < 4 * HEALTH_INTERVAL
            if self._ready and punctual and self._stalled_for() >= END_AFTER * self._stall_timeout:
                self._end_stalled()

    def _end_stalled(self) -> None:
        self._ready = False
        self._stall = (
            f"it had not finished a step for {self._stalled_for():.0f} s: raise --stall-timeout, "
            "or lower --max-num-batched-tokens, if its steps may take that long"
        )
        if self._group is not None:
            self._group.kill()

    def _report_health(self) -> None:
        trouble = self._trouble()
        if (trouble is None) == self._reported_able:
            return
        self._reported_able = trouble is None
        log.info("the engine is %s", "ready" if trouble is None else "not ready")
        self._on_health(self._reported_able)
