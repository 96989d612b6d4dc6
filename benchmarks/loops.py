"""Peers without a server: a script in the peer's own Python, asked over its standard streams.

See `peer_scripts/protocol.py` for what is said.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

SCRIPTS = Path(__file__).parent / "peer_scripts"


class PeerError(Exception):
    """What a peer says, or does, instead of answering: one line."""


class Loop:
    """A running script. Use as a context manager: it ends with the block."""

    def __init__(
        self,
        python: Path,
        script: str,
        settings: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
        start_timeout: float = 600.0,
    ) -> None:
        """Waits until it is ready. Raises PeerError when it never is."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self._pending = b""
        self._process = subprocess.Popen(
            [str(python), str(SCRIPTS / script), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **(environment or {})},
        )
        try:
            self.versions: dict[str, str] = self._answer(start_timeout)["ready"]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def measure(
        self, prompts: Sequence[Sequence[int]], output_tokens: int, timeout: float = 600.0
    ) -> dict[str, Any]:
        """Raises PeerError."""
        line = json.dumps({"prompts": prompts, "output_tokens": output_tokens}) + "\n"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except OSError:
            raise PeerError(f"it ended: {self._last_words()}") from None
        answer = self._answer(timeout)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def _answer(self, timeout: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        end = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                if time.monotonic() > end:
                    self._process.kill()
                    raise PeerError(f"no answer in {timeout:.0f} s; ended")
                if selector.select(timeout=0.5):
                    piece = os.read(descriptor, 65536)
                    if not piece:
                        raise PeerError(f"it ended: {self._last_words()}")
                    self._pending += piece
        line, _, self._pending = self._pending.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        self._process.wait()
        self._log.seek(0)
        return last_line(self._log.read().decode(errors="replace"))


def last_line(text: str) -> str:
    """What a failing program said last."""
    return next(reversed([line for line in text.splitlines() if line.strip()]), "nothing").strip()
