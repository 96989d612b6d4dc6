"""A `rostra up` of one's own, for measurements and tests: free ports, ended with the block."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

READY = "Ctrl-C stops it."
"""The last line that `rostra up` prints when everything answers."""


@dataclass
class Local:
    """A started `rostra up`, its output so far, and the addresses it printed."""

    process: subprocess.Popen[bytes]
    printed: str = ""
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def __post_init__(self) -> None:
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self._selector.register(self.process.stdout, selectors.EVENT_READ)

    @property
    def api(self) -> str:
        """Base URL of the gateway, without `/v1`."""
        return self._address(r"OpenAI API +(http://\S+)/v1")

    @property
    def arena(self) -> str:
        return self._address(r"arena +(http://\S+)")

    @property
    def worker(self) -> str:
        """host:port of the first worker."""
        return self._address(r"gRPC worker-1 +(\S+)")

    def _address(self, pattern: str) -> str:
        found = re.search(pattern, self.printed)
        assert found, f"no {pattern!r} in what rostra up printed:\n{self.printed}"
        return found[1]

    def wait_for(self, text: str, timeout: float = 600.0) -> None:
        """Reads output until it contains `text`. Raises RuntimeError with the output if it never
        does."""
        assert self.process.stdout is not None
        end = time.monotonic() + timeout
        while text not in self.printed:
            if time.monotonic() > end:
                raise RuntimeError(f"{text!r} was not printed in {timeout:.0f} s:\n{self.printed}")
            if self._selector.select(timeout=0.2):
                piece = os.read(self.process.stdout.fileno(), 65536)
                if not piece:
                    raise RuntimeError(f"rostra up ended before {text!r}:\n{self.printed}")
                self.printed += piece.decode(errors="replace")

    def interrupt(self, timeout: float = 60.0) -> int:
        """Ctrl-C, once. Returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.wait(timeout)

    def wait(self, timeout: float = 60.0) -> int:
        """Reads output until the process ends. Returns the exit code."""
        try:
            output, _ = self.process.communicate(timeout=timeout)
        finally:
            self._selector.close()
        self.printed += (output or b"").decode(errors="replace")
        return self.process.returncode


@contextmanager
def rostra_up(*arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Local]:
    """`rostra up` on free ports for as long as the block runs."""
    ports = ("--port", "0", "--arena-port", "0")
    command = [sys.executable, "-m", "rostra.mesh.cli.main", "up", *ports, *arguments]
    local = Local(
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "COLUMNS": "200", **(environment or {})},
        )
    )
    try:
        yield local
    finally:
        if local.process.poll() is None:
            try:
                local.interrupt()
            except subprocess.TimeoutExpired:
                local.process.kill()
                local.process.wait()
