"""Real processes: workers join two gateways that share nothing, and some of them are killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from rostra.mesh.supervisor.ports import claim_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

COMMAND = [sys.executable, "-P", "-m", "rostra.mesh.cli.main"]
HELLO: Any = [{"role": "user", "content": "the fox"}]


class Processes:
    """Starts commands, and ends what is left of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*COMMAND, *arguments],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                start_new_session=True,
            )
        self.all.append(process)
        return process

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def end(self) -> None:
        for process in self.all:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


class Gateway:
    """One gateway, at ports that stay when it starts again."""

    def __init__(self, processes: Processes, name: str, tokens: Path) -> None:
        self.name = name
        self._processes = processes
        self._tokens = tokens
        self.port, self.registry = (claim_port("127.0.0.1", 0, name, "") for _ in range(2))
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self.process = self._processes.start(
            self.name,
            *("gateway", "--port", str(self.port)),
            *("--registry", f"127.0.0.1:{self.registry}", "--join-tokens", str(self._tokens)),
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def serving(self) -> set[str]:
        """Addresses of workers; none while the gateway does not answer."""
        try:
            with urllib.request.urlopen(f"{self.url}/mesh/members", timeout=5) as response:
                members = json.loads(response.read())["members"]
        except (OSError, urllib.error.URLError):
            return set()
        return {member["address"] for member in members if member["state"] == "serving"}


def eventually(condition: Callable[[], bool], timeout: float = 180.0) -> float:
    """Returns how many seconds it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout, "it never came"
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    try:
        yield started
    finally:
        started.end()


def worker(
    processes: Processes, name: str, model: Path, token: Path, *gateways: Gateway
) -> subprocess.Popen[bytes]:
    joins = [f"--join=grpc://127.0.0.1:{gateway.registry}" for gateway in gateways]
    return processes.start(
        name,
        *("worker", "--model", str(model), "--name", "tiny", "--num-threads", "1"),
        *("--listen", "127.0.0.1:0", "--join-token-file", str(token), *joins),
    )


def test_two_gateways_without_shared_state(processes: Processes, tiny_model: Path) -> None:
    tokens, token = processes.folder / "tokens.toml", processes.folder / "token"
    made = subprocess.run(
        [*COMMAND, "mesh", "token", "new", "workers", "--file", str(tokens)],
        capture_output=True,
        check=True,
    )
    token.write_bytes(made.stdout)
    first, second = Gateway(processes, "first", tokens), Gateway(processes, "second", tokens)
    doomed = worker(processes, "doomed", tiny_model, token, first, second)
    staying = worker(processes, "staying", tiny_model, token, first, second)
    for gateway in (first, second):
        eventually(lambda gateway=gateway: len(gateway.serving()) == 2)

    # A client that knows both goes to the other when the first is killed, by nothing but that.
    def ask() -> str:
        for gateway in (first, second):
            with openai.OpenAI(
                base_url=f"{gateway.url}/v1", api_key="none", max_retries=0
            ) as client:
                try:
                    answer = client.chat.completions.create(
                        model="tiny", messages=HELLO, max_tokens=4
                    )
                except openai.APIConnectionError:
                    continue
                assert answer.choices
                return gateway.name
        raise AssertionError("no gateway answers")

    assert ask() == "first"
    first.kill()
    assert ask() == "second"
    # The one that restarts knows everybody again, by the workers' own doing.
    first.start()
    eventually(lambda: len(first.serving()) == 2)
    assert ask() == "first"

    # A killed worker is out of both tables: within three seconds, where the machine has the time.
    before = first.serving()
    os.killpg(doomed.pid, signal.SIGKILL)
    began = time.monotonic()
    eventually(lambda: len(first.serving()) == len(second.serving()) == 1)
    assert time.monotonic() - began < 15
    assert first.serving() < before
    assert ask() == "first"

    # SIGTERM says so first, and nobody is surprised.
    staying.terminate()
    assert staying.wait(60) == 0
    eventually(lambda: first.serving() == second.serving() == set())
    # By the stream that it joined with, or by its health: either may be read first.
    told = processes.log("second")
    assert "it is draining" in told or "its health is NOT_SERVING" in told
    status = subprocess.run(
        [*COMMAND, "mesh", "status", "--gateway", second.url], capture_output=True, check=True
    )
    assert b"0 of 0 members serving" in status.stdout


def test_a_worker_that_nobody_could_reach_ends_at_once(tiny_model: Path) -> None:
    result = subprocess.run(
        [*COMMAND, "worker", "--model", str(tiny_model), "--join", "grpc://192.0.2.1:50050"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 2
    assert "choose another address with --listen" in result.stderr
    assert "Traceback" not in result.stderr
