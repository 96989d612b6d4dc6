"""The actor that runs one rank of a worker on the node where Ray put it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rostra.mesh.home import ENVIRONMENT_VARIABLE, Home
from rostra.mesh.supervisor.ports import claim_port
from rostra.mesh.supervisor.process import die_with_parent, end_group, tail


@dataclass(frozen=True)
class NodePlace:
    """Where a rank is."""

    node: str
    """Ray's id of the node."""
    host: str
    """Its address."""
    gpus: tuple[str, ...]
    ports: tuple[int, int]
    """Free ones, for gRPC and for the ranks to meet."""


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    last_line: str
    log: str
    """The log's path on that node."""


class Rank:
    """One real `rostra worker` process, and nothing that outlives this actor.

    All methods run in the event loop of the actor, beside each other.
    """

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._folder: str | None = None
        self._log = Path(os.devnull)

    async def place(self) -> NodePlace:
        import ray

        context = ray.get_runtime_context()
        host = ray.util.get_node_ip_address()
        first, second = (claim_port(host, 0, "a rank", "ray start") for _ in range(2))
        return NodePlace(
            node=context.get_node_id(),
            host=host,
            gpus=tuple(str(gpu) for gpu in context.get_accelerator_ids().get("GPU", [])),
            ports=(first, second),
        )

    async def start(
        self,
        name: str,
        table: Mapping[str, Any],
        address: str,
        environment: Mapping[str, str],
    ) -> None:
        """Starts `rostra worker` with `table` as its configuration, to listen at `address` if it is
        the first rank."""
        import tomli_w

        self._folder = tempfile.mkdtemp(prefix="rostra-")
        config = Path(self._folder) / "rostra.toml"
        config.write_text(tomli_w.dumps({"worker": [dict(table)]}), encoding="utf-8")
        self._log = Home.locate(environment.get(ENVIRONMENT_VARIABLE)).logs / f"{name}.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".previous.log"))
        command = [sys.executable, "-P", "-m", "rostra.mesh.cli.main", "worker"]
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                f"--config={config}",
                f"--listen={address}",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                start_new_session=True,
                # Ray ends an actor with SIGKILL, and its node's death is one too.
                preexec_fn=die_with_parent(),
            )

    async def ended(self) -> Ended:
        """Returns when the process has ended, with all that it started."""
        assert self._process is not None
        code = await self._process.wait()
        end_group(self._process.pid, signal.SIGKILL)
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        return Ended(code, tail(self._log, 1), str(self._log))

    async def drain(self) -> None:
        """SIGTERM: the worker finishes what runs and ends; see `ended`."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    async def kill(self) -> None:
        if self._process is not None:
            end_group(self._process.pid, signal.SIGKILL)
