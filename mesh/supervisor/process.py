"""One child process that is kept alive until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rostra.mesh.supervisor.restarts import Restarts

log = logging.getLogger(__name__)

STEADY_AFTER = 30.0
"""A child that lived this long (seconds) starts again with the first backoff."""

PR_SET_PDEATHSIG = 1


def die_with_parent() -> Callable[[], None] | None:
    """A hook for the child that asks Linux to end it when its parent is gone.

    Without it a supervisor that is killed outright would leave its children behind.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def hook() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return hook


@dataclass
class ManagedProcess:
    """Runs `command`, starts it again when it dies, ends it with its whole process group.

    Output goes to `log_path`. `on_exit(name, code, delay)` is called before each restart.
    """

    name: str
    command: Sequence[str]
    log_path: Path
    on_exit: Callable[[str, int, float], None] = lambda name, code, delay: None
    environment: dict[str, str] = field(default_factory=dict)
    stop_grace: float = 15.0
    restarts: int = 0
    last_exit: int | None = None
    _process: asyncio.subprocess.Process | None = None
    _task: asyncio.Task[None] | None = None
    _stopping: bool = False

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep_alive(), name=f"supervise-{self.name}")

    async def _keep_alive(self) -> None:
        restarts = Restarts(STEADY_AFTER)
        while not self._stopping:
            restarts.started()
            self.last_exit = await self._run_once()
            self._end_group(signal.SIGKILL)
            if self._stopping:
                return
            pause = restarts.pause()
            self.restarts += 1
            log.warning("%s ended with %d; again in %.1f s", self.name, self.last_exit, pause)
            self.on_exit(self.name, self.last_exit, pause)
            await asyncio.sleep(pause)

    async def _run_once(self) -> int:
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},
                # A group of its own: Ctrl-C reaches the supervisor alone, which then ends its
                # children in order.
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        return await self._process.wait()

    def _end_group(self, sig: signal.Signals) -> None:
        if self._process is not None:
            end_group(self._process.pid, sig)

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL to the group after the grace period. Idempotent."""
        self._stopping = True
        if self._task is None:
            return
        if self.pid is None:  # waiting to restart
            self._task.cancel()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
        done, _ = await asyncio.wait([self._task], timeout=self.stop_grace)
        if not done:
            self._end_group(signal.SIGKILL)
            await asyncio.wait([self._task])

    def kill(self) -> None:
        """Ends the child at once. `stop` must still be awaited."""
        self._stopping = True
        self._end_group(signal.SIGKILL)

    def log_tail(self, lines: int = 8) -> str:
        """The last lines the child wrote."""
        return tail(self.log_path, lines)

    def complaint(self) -> str:
        """Why it does not start, for whoever waits for it."""
        why = last_words(self.log_tail(1)) or f"it ended with {self.last_exit}"
        return f"{self.name} does not start: {why} (log: {self.log_path})"


def last_words(line: str) -> str:
    """Why a process ended, by the last line of its log in either format."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(line)["message"])
    return line.removeprefix("error: ")


def end_group(group: int, sig: signal.Signals) -> None:
    """Signals whatever is left of a child's group, so that no grandchild survives."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, sig)


def tail(log_path: Path, lines: int) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(log_path.read_text(errors="replace").splitlines()[-lines:])
    return ""
