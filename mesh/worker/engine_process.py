"""A process that computes: one engine, its loop, and a socket to the server; or another rank.

Run as `python -m rostra.mesh.worker.engine_process FD`, where FD is its end of a socket pair. The
server ends it by closing the other end, and so does the server's own death.
"""

from __future__ import annotations

import ctypes
import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Protocol

from rostra.mesh.distributed.place import PEER_LOST, PeerLostError
from rostra.mesh.engine.adapters import AdapterTable, UnknownAdapterError
from rostra.mesh.engine.admission import (
    PromptTooLongError,
    QueueFullError,
    RequestRefusedError,
)
from rostra.mesh.engine.cache_log import CacheChanges
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.grammar_table import Grammars
from rostra.mesh.engine.messages import (
    EmbeddingRequest,
    EngineLoad,
    EngineRequest,
    RequestOutput,
)
from rostra.mesh.errors import RostraError
from rostra.mesh.logs import log_to_stderr
from rostra.mesh.worker import wire
from rostra.mesh.worker.adapter_desk import AdapterDesk, Prepared
from rostra.mesh.worker.grammar_desk import Compiled, GrammarDesk

log = logging.getLogger(__name__)

HEARTBEAT_INTERVAL = 0.5
PR_SET_PDEATHSIG = 1

REFUSALS = {
    QueueFullError: wire.Refusal.QUEUE_FULL,
    UnknownAdapterError: wire.Refusal.NO_ADAPTER,
    PromptTooLongError: wire.Refusal.TOO_LONG,
}

Taken = wire.Command | Prepared | Compiled

EngineBuilder = Callable[
    [wire.Configure, Callable[[int, int], None]], "tuple[ServedEngine, wire.EngineInfo]"
]


class ServedEngine(Protocol):
    """What the loop drives: an engine that generates text, or one that makes vectors."""

    @property
    def adapters(self) -> AdapterTable | None:
        """None where it takes none."""
        ...

    @property
    def grammars(self) -> Grammars | None:
        """None where it follows none."""
        ...

    @property
    def has_work(self) -> bool:
        """Whether `step` would do anything."""
        ...

    def add_request(self, request: Any) -> None:
        """Queues one of the engine's kind. Raises RequestRefusedError."""
        ...

    def abort(self, request_id: str) -> bool: ...

    def step(self) -> list[RequestOutput]: ...

    def load(self) -> EngineLoad: ...

    def follow_cache(self, *, keys: bool, blocks: bool) -> None: ...

    def cache_changes(self) -> CacheChanges | None: ...


class Outbox:
    """Sends events from a thread of its own, so that a slow reader never holds up a step.

    When nothing was sent for `HEARTBEAT_INTERVAL` seconds it sends a heartbeat.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.busy_since: float | None = None
        self._connection = connection
        self._events: queue.SimpleQueue[wire.Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def put(self, event: wire.Event) -> None:
        self._events.put(event)

    def flush(self, timeout: float) -> None:
        """Sends what is left and ends; gives up after `timeout` seconds."""
        self._events.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            try:
                event = self._events.get(timeout=HEARTBEAT_INTERVAL)
            except queue.Empty:
                event = wire.Heartbeat(self.busy_since)
            if event is None:
                return
            try:
                self._connection.sendall(wire.encode(event))
            except OSError:
                # The server is gone; the thread that reads commands ends the process.
                return


class Inbox:
    """Reads commands in a thread, and ends the process when the server is gone."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rb")
        first = wire.read_frame(self._file)
        if first is None:
            os._exit(0)
        command = wire.decode_command(first)
        if not isinstance(command, wire.Configure):
            raise RuntimeError("the first command was not Configure")
        self.setup = command
        self._commands: queue.SimpleQueue[Taken] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="inbox", daemon=True).start()

    def put(self, command: Prepared | Compiled) -> None:
        """From a thread of this process."""
        self._commands.put(command)

    def take(self, *, wait: bool) -> list[Taken]:
        """All commands that have arrived; with `wait` at least one."""
        taken = [self._commands.get()] if wait else []
        while not self._commands.empty():
            taken.append(self._commands.get())
        return taken

    def _run(self) -> None:
        try:
            while (body := wire.read_frame(self._file)) is not None:
                self._commands.put(wire.decode_command(body))
        except OSError:
            pass
        # Not sys.exit: a step in progress must not keep a process alive that nobody reads.
        os._exit(0)


class EngineLoop:
    """Takes commands, makes steps, and reports each turn. Blocks while there is nothing to do."""

    def __init__(self, engine: ServedEngine, inbox: Inbox, outbox: Outbox) -> None:
        self.engine = engine
        self.inbox = inbox
        self.outbox = outbox
        self.adapters = AdapterDesk(engine.adapters, inbox.put)
        self.grammars = GrammarDesk(engine.grammars, inbox.put)

    def run(self) -> None:
        while True:
            self.turn()

    def turn(self) -> None:
        commands = self.inbox.take(wait=not self.engine.has_work)
        self.outbox.busy_since = time.monotonic()
        admissions = []
        for command in commands:
            if isinstance(command, wire.Add):
                if not self.grammars.hold(command):
                    admissions.append(self._add(command.requests))
            elif isinstance(command, Compiled):
                admissions += self._add_held(command)
            elif isinstance(command, wire.Abort):
                self.grammars.abort(command.request_ids)
                for request_id in command.request_ids:
                    self.engine.abort(request_id)
            elif isinstance(command, wire.LoadAdapter):
                self.adapters.load(command)
            elif isinstance(command, wire.UnloadAdapter):
                self.adapters.unload(command)
            elif isinstance(command, Prepared):
                self.adapters.finish(command)
            elif isinstance(command, wire.FollowCache):
                self.engine.follow_cache(keys=command.keys, blocks=command.blocks)
        began = time.monotonic()
        outputs = self.engine.step() if self.engine.has_work else []
        seconds = time.monotonic() - began
        self.outbox.busy_since = None
        answers = self.adapters.take_answers()
        self.outbox.put(
            wire.Turn(
                admissions,
                outputs,
                self.engine.load(),
                answers,
                self.engine.cache_changes(),
                seconds,
            )
        )

    def _add_held(self, compiled: Compiled) -> list[wire.Admission]:
        requests = self.grammars.finish(compiled)
        if not requests:
            return []
        if compiled.error is not None:
            name = requests[0].request_id
            return [wire.Admission(name, wire.Refusal.INVALID, compiled.error)]
        return [self._add(requests)]

    def _add(self, requests: Sequence[EngineRequest | EmbeddingRequest]) -> wire.Admission:
        name = requests[0].request_id
        for position, request in enumerate(requests):
            try:
                self.engine.add_request(request)
            except RequestRefusedError as error:
                for earlier in requests[:position]:
                    self.engine.abort(earlier.request_id)
                refusal = REFUSALS.get(type(error), wire.Refusal.INVALID)
                return wire.Admission(name, refusal, str(error))
        return wire.Admission(name)


def end_with_parent() -> None:
    """Asks Linux to end this process when its parent is gone, in case the socket is not enough."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


def ignore_signals() -> None:
    # Ctrl-C and a stop of the whole service reach every process; the server decides when the
    # running work has ended, and then ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def build(
    setup: wire.Configure, on_progress: Callable[[int, int], None]
) -> tuple[ServedEngine, wire.EngineInfo]:
    """The engine of rank 0."""
    _prepare_torch()
    # Here and not above: importing torch takes seconds, in which the server's death must already
    # end this process.
    from rostra.mesh.distributed.build import build_leader
    from rostra.mesh.embedding.task import choose_task
    from rostra.mesh.engine.build import build_runner
    from rostra.mesh.engine.device import choose_dtype, open_device
    from rostra.mesh.engine.engine import Engine, StepRunner

    config, place = setup.config, setup.place
    step_runner: StepRunner
    if choose_task(config) == "embed":
        return _build_embedding(config, on_progress)
    if place.size == 1:
        step_runner = runner = build_runner(config, on_progress)
    else:
        runner, step_runner = build_leader(config, place, on_progress)
    info = wire.EngineInfo(
        device=config.device,
        device_name=runner.device_name,
        # Not the cache's, which may be of one byte.
        dtype=str(choose_dtype(config.dtype, open_device(config.device))).removeprefix("torch."),
        max_model_len=runner.max_model_len,
        vocab_size=runner.vocab_size,
        tensor_parallel_size=place.size,
    )
    return Engine(step_runner, config), info


def _build_embedding(
    config: EngineConfig, on_progress: Callable[[int, int], None]
) -> tuple[ServedEngine, wire.EngineInfo]:
    from rostra.mesh.embedding.build import build_embedding_runner
    from rostra.mesh.embedding.engine import EmbeddingEngine

    runner = build_embedding_runner(config, on_progress)
    info = wire.EngineInfo(
        device=config.device,
        device_name=runner.device_name,
        dtype=str(runner.dtype).removeprefix("torch."),
        max_model_len=runner.max_model_len,
        vocab_size=runner.vocab_size,
        embedding_size=runner.embedding_size,
    )
    return EmbeddingEngine(runner, config), info


def follow(setup: wire.Configure) -> NoReturn:
    """Serves rank 0 until one of the two ends."""
    _prepare_torch()
    from rostra.mesh.distributed.build import run_follower

    run_follower(setup.config, setup.place)


def _prepare_torch() -> None:
    # libgomp reads this when torch loads it. By default a thread that waits for the others spins
    # for milliseconds; where another process wants the core too, that keeps those others from
    # running, and a decode step was measured to take 20 times as long.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def main(build: EngineBuilder = build) -> None:
    """Serves one engine, or one rank of it, over the socket whose file descriptor is the last
    argument."""
    end_with_parent()
    ignore_signals()
    log_to_stderr("engine")
    connection = socket.socket(fileno=int(sys.argv[-1]))
    inbox = Inbox(connection)
    outbox = Outbox(connection)
    exit_code = 1
    try:
        if inbox.setup.place.rank:
            follow(inbox.setup)
        engine, info = build(
            inbox.setup, lambda done, total: outbox.put(wire.Progress(done, total))
        )
        outbox.put(wire.Ready(info, engine.load()))
        EngineLoop(engine, inbox, outbox).run()
    except PeerLostError as error:
        log.warning("another rank has ended: %s", error)
        exit_code = PEER_LOST
    except RostraError as error:
        outbox.put(wire.Failed(str(error), mendable=True))
    except Exception as error:
        log.exception("the engine failed")
        outbox.put(wire.Failed(f"{type(error).__name__}: {error}".splitlines()[0], mendable=False))
    outbox.flush(timeout=5.0)
    os._exit(exit_code)


if __name__ == "__main__":
    main()
