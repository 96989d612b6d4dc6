"""The units: what systemd says of them, and what they start."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from rostra.mesh.cli.main import app

UNITS = sorted((Path(__file__).parents[2] / "deploy" / "systemd").glob("*.service"))
INSTALLED = "/opt/rostra/bin/rostra"
DRAIN = 30.0
"""Seconds, of drain_grace where a file says nothing."""


class Unit(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr


def read(path: Path) -> Unit:
    unit = Unit(strict=False)
    unit.read(path)
    return unit


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_takes_every_line(path: Path, tmp_path: Path):
    here = str(Path(sys.executable).with_name("rostra"))
    copy = tmp_path / path.name
    copy.write_text(path.read_text().replace(INSTALLED, here))
    command = ["systemd-analyze", "verify", "--man=no", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "rostra" in line]
    assert not ours
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_it_starts_a_command_that_is_one_and_gives_it_time_to_drain(path: Path):
    service = read(path)["Service"]
    program, command, *flags = shlex.split(service["ExecStart"])
    assert program == INSTALLED
    known = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    options = {option for parameter in known.params for option in parameter.opts}
    assert {flag.partition("=")[0] for flag in flags} <= options
    assert service["Type"] == "notify"
    assert float(service["TimeoutStopSec"]) > DRAIN
    assert service["User"] == "rostra"
    assert service["NoNewPrivileges"] == "yes"


def listener(address: str) -> socket.socket:
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(address)
    receiver.settimeout(60)
    return receiver


@pytest.mark.parametrize("abstract", [False, True])
def test_readiness_is_told_when_connections_are_taken(abstract: bool, tmp_path: Path):
    path = f"@rostra-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with listener(path.replace("@", "\0") if abstract else path) as receiver:
        command = ["gateway", "--port", "0", "--worker", "127.0.0.1:9"]
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "rostra.mesh.cli.main", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "NOTIFY_SOCKET": path},
        )
        try:
            assert receiver.recv(100) == b"READY=1"
            assert child.stdout is not None
            assert "gateway ready on" in child.stdout.readline()
        finally:
            child.send_signal(signal.SIGTERM)
            child.communicate(timeout=60)
        assert child.returncode == 0
