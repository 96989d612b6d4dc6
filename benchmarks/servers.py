"""OpenAI-compatible servers of others, started for a measurement and ended after it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from benchmarks.loops import PeerError, last_line


def free_port() -> int:
    """One that nobody listens on now. Servers that cannot choose their own port need it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    commands: Sequence[Sequence[str]],
    url: str,
    environment: Mapping[str, str],
    start_timeout: float,
) -> Iterator[str]:
    """`url` as soon as it lists a model, for as long as the block runs.

    The processes of `commands` are the server together. Raises PeerError, with what one of them
    said last, when it ends or never answers.
    """
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryFile() as log:
        try:
            # Each in a session of its own, so that its own processes end with it.
            processes.extend(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **environment},
                    start_new_session=True,
                )
                for command in commands
            )
            end = time.monotonic() + start_timeout
            while not lists_a_model(url):
                if any(process.poll() is not None for process in processes):
                    log.seek(0)
                    raise PeerError(f"it ended: {last_line(log.read().decode(errors='replace'))}")
                if time.monotonic() > end:
                    raise PeerError(f"it did not answer within {start_timeout:.0f} s")
                time.sleep(1.0)
            try:
                yield url
            except PeerError as error:
                log.seek(0)
                said = last_line(log.read().decode(errors="replace"))
                raise PeerError(f"{error}; its log ends with: {said}") from None
        finally:
            for process in processes:
                _end(process)


def lists_a_model(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/v1/models", timeout=5) as answer:
            return b'"id"' in answer.read()
    except (urllib.error.URLError, OSError):
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """The server and what it started, by its process group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
