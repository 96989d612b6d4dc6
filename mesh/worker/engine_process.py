"""A process that computes: one engine, its loop, and a socket to the server; or another rank.

Run as `python -m rostra.mesh.worker.engine_process FD`, where FD is its end of a socket pair. The
server ends it by closing the other end, and so does the server's own death.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import NoReturn

from rostra.mesh.distributed.place import PEER_LOST, PeerLostError
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.errors import RostraError
from rostra.mesh.logs import log_to_stderr
from rostra.mesh.worker import wire
from rostra.mesh.worker.engine_loop import EngineLoop, ServedEngine
from rostra.mesh.worker.engine_pipes import Inbox, Outbox

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1

EngineBuilder = Callable[
    [wire.Configure, Callable[[int, int], None]], "tuple[ServedEngine, wire.EngineInfo]"
]


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
