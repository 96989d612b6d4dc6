"""A worker and a gateway as processes, with all that operators may ask of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

CHAT = "/v1/chat/completions"


@dataclass
class Process:
    """A command of rostra that said it is ready."""

    address: str
    log: Path
    pid: int

    def lines(self) -> list[dict[str, Any]]:
        """Its log, which is JSON, as far as lines are whole."""
        return [json.loads(line) for line in self.log.read_text().split("\n")[:-1]]

    def line(self, timeout: float = 60.0, **fields: Any) -> dict[str, Any]:
        """The line that has these, once it is there."""
        end = time.monotonic() + timeout
        while True:
            for line in self.lines():
                if all(line.get(name) == value for name, value in fields.items()):
                    return line
            assert time.monotonic() < end, f"no line has {fields}:\n{self.log.read_text()}"
            time.sleep(0.05)


@dataclass
class Mesh:
    worker: Process
    gateway: Process
    worker_metrics: str

    def chat(self, text: str, headers: Mapping[str, str] = {}, **fields: Any) -> Any:
        body = {
            "model": "tiny",
            "messages": [{"role": "user", "content": text}],
            "max_tokens": 20,
            "ignore_eos": True,
        }
        url = self.gateway.address + CHAT
        return requests.post(url, json=body | fields, headers=dict(headers), timeout=60)

    def scrape(self) -> dict[str, Metric]:
        """What both processes export, by the name of the family."""
        found = {}
        for url in (self.gateway.address + "/metrics", self.worker_metrics):
            text = requests.get(url, timeout=60).text
            found.update({family.name: family for family in text_string_to_metric_families(text)})
        return found


@contextmanager
def command(log: Path, environment: Mapping[str, str], *arguments: str) -> Iterator[Process]:
    """`rostra ARGUMENTS`, until the block ends."""
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-P", "-m", "rostra.mesh.cli.main", *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **environment},
        ) as process,
    ):
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.match(rb"\w+ ready on (\S+)", line):
                    yield Process(found[1].decode(), log, process.pid)
                    break
            else:
                raise AssertionError(f"it ended:\n{log.read_text()}")
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def mesh(
    folder: Path, model: Path, environment: Mapping[str, str], *options: str
) -> Iterator[Mesh]:
    """A worker of a tiny model and a gateway before it; `options` are the worker's."""
    folder.mkdir(parents=True, exist_ok=True)
    worker_options = [
        *("--model", str(model), "--name", "tiny", "--listen", "127.0.0.1:0"),
        *("--num-threads", "1", "--kv-cache-bytes", str(32 * 2**20)),
        *("--metrics", "127.0.0.1:0", "--log-format", "json", *options),
    ]
    with command(folder / "worker.log", environment, "worker", *worker_options) as worker:
        gateway_options = ["--worker", worker.address, "--port", "0", "--log-format", "json"]
        with command(folder / "gateway.log", environment, "gateway", *gateway_options) as gateway:
            said = [line["message"] for line in worker.lines()]
            (metrics,) = [text.split()[-1] for text in said if text.startswith("metrics on ")]
            yield Mesh(worker, gateway, metrics)
