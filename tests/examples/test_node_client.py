"""The client in one file, against a real worker."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import grpc
import pytest
from filelock import FileLock

from benchmarks.local import Local
from rostra.v1 import control_pb2, control_pb2_grpc

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

FOLDER = Path(__file__).parents[2] / "examples" / "node-client"


@pytest.fixture(scope="module")
def _packages() -> None:
    """As the lock file has them. They stay in the tree, so that a second run finds them."""
    stamp, lock = FOLDER / "node_modules" / ".package-lock.json", FOLDER / "package-lock.json"
    with FileLock(FOLDER / ".install.lock"):
        if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
            command = ["npm", "ci", "--no-audit", "--no-fund", "--prefer-offline"]
            subprocess.run(command, cwd=FOLDER, check=True, timeout=280, capture_output=True)


def node(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", str(FOLDER / "client.js"), *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )


def running(address: str) -> int:
    with grpc.insecure_channel(address) as channel:
        load = control_pb2_grpc.ControlStub(channel).GetLoad(
            control_pb2.GetLoadRequest(), timeout=20
        )
    return int(load.running_requests + load.waiting_requests)


@pytest.mark.usefixtures("_packages")
def test_a_chat(up: Local) -> None:
    done = node("--address", up.worker, "chat", "the quick brown fox")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^finish     FINISH_REASON_(STOP|LENGTH)$", done.stdout, re.MULTILINE)
    assert re.search(r"^usage      \d+ \+ \d+ tokens$", done.stdout, re.MULTILINE)


@pytest.mark.usefixtures("_packages")
@pytest.mark.parametrize(
    ("command", "status"), [("cancel", "CANCELLED"), ("deadline", "DEADLINE_EXCEEDED")]
)
def test_what_ends_early_ends_in_the_worker(up: Local, command: str, status: str) -> None:
    # The tiny model fills its context in less than the half second that one waits by default.
    done = node("--address", up.worker, "--patience", "50", command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"\nstatus     {status}" in done.stdout
    assert "finish" not in done.stdout
    with grpc.insecure_channel(up.worker) as channel:
        control_pb2_grpc.ControlStub(channel).GetServerInfo(
            control_pb2.GetServerInfoRequest(), timeout=20
        )
    assert running(up.worker) == 0


@pytest.mark.usefixtures("_packages")
def test_a_refusal_is_an_error(up: Local) -> None:
    done = node("--address", up.worker, "--model", "no-such-model", "chat")
    assert done.returncode == 1
    assert "status     NOT_FOUND" in done.stdout
    assert "no-such-model" in done.stdout


@pytest.mark.usefixtures("_packages")
@pytest.mark.parametrize("arguments", [(), ("dance",), ("chat", "a", "b")])
def test_a_wrong_command_line(arguments: tuple[str, ...]) -> None:
    done = node(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
