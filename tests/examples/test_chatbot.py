"""The chatbot as a person uses it: lines in, answers out."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.local import Local

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PROGRAM = Path(__file__).parents[2] / "examples" / "chatbot" / "chatbot.py"


def talk(url: str, *lines: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), "--url", url, "--max-tokens", "16", *options],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=240,
        check=False,
    )


def prompt_tokens(printed: str) -> list[int]:
    return [int(count) for count in re.findall(r"^\[(\d+) \+ \d+ tokens\]$", printed, re.MULTILINE)]


def test_a_conversation_grows(up: Local) -> None:
    done = talk(f"{up.api}/v1", "the quick brown fox", "and then?", "")
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert "Talking to smollm2-135m-instruct." in done.stdout
    first, second = prompt_tokens(done.stdout)
    assert second > first + 16


def test_the_oldest_is_forgotten_when_the_model_is_full(up: Local) -> None:
    long = " ".join(["the quick brown fox"] * 35)
    done = talk(f"{up.api}/v1", long, long, "short", "")
    assert done.returncode == 0, done.stderr
    assert "(the beginning of the conversation was forgotten)" in done.stdout
    counts = prompt_tokens(done.stdout)
    assert len(counts) == 3
    assert all(count < 512 for count in counts)


def test_a_question_that_cannot_fit_is_said_and_the_conversation_goes_on(up: Local) -> None:
    done = talk(f"{up.api}/v1", "x" * 5000, "the fox", "")
    assert done.returncode == 0
    assert done.stderr.startswith("error: 400: ")
    assert len(done.stderr.splitlines()) == 1
    assert len(prompt_tokens(done.stdout)) == 1


def test_an_unknown_model(up: Local) -> None:
    done = talk(f"{up.api}/v1", "hello", "", options=("--model", "no-such-model"))
    assert done.returncode == 0
    assert "no-such-model" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_a_gateway() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = talk(f"http://127.0.0.1:{port}/v1", "hello")
    assert done.returncode == 2
    assert done.stderr == (
        "error: the gateway does not answer: is it running, and is --url right?\n"
    )


def test_ctrl_c_ends_the_answer_and_not_the_conversation(up: Local) -> None:
    command = [sys.executable, "-u", str(PROGRAM), "--url", f"{up.api}/v1", "--max-tokens", "400"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        printed = read_until(process, b"> ")
        process.stdin.write(b"the fox\n")
        process.stdin.flush()
        # Something of the answer, which goes on.
        printed = read_until(process, b"", more_than=3)
        process.send_signal(signal.SIGINT)
        printed += read_until(process, b"\n> ")
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.wait(60) == 0
    # It may have ended by itself before the signal; then the signal ends the conversation.
    assert b"(stopped)" in printed or b"tokens]" in printed


def read_until(
    process: subprocess.Popen[bytes], mark: bytes, more_than: int = 0, patience: float = 60
) -> bytes:
    assert process.stdout is not None
    found, end = b"", time.monotonic() + patience
    while mark not in found or len(found) <= more_than:
        assert time.monotonic() < end, found
        if select.select([process.stdout], [], [], 0.2)[0]:
            piece = os.read(process.stdout.fileno(), 4096)
            assert piece, found
            found += piece
    return found
