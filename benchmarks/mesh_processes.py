"""A mesh of real processes on this host: workers, gateways, and a network between them."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from benchmarks.mesh_network import Network
from benchmarks.mesh_proxy import ProxyNetwork
from benchmarks.servers import free_port

MODEL = "tiny"
_ENDING = 60.0
"""Seconds that a process has to end after SIGTERM."""


@dataclass
class Footprint:
    """What a process holds: resident memory in MiB, file descriptors, threads."""

    mebibytes: float
    descriptors: int
    threads: int


@dataclass
class Node:
    """One process that is started, and started again, by the same command."""

    name: str
    command: Sequence[str]
    log: Path
    inside: Sequence[str] = ()
    """What the command stands behind: where it is to run."""
    lives: list[list[Footprint]] = field(default_factory=list)
    """Of each process that there was: what it held at its samplings."""
    down: list[tuple[float, float]] = field(default_factory=list)
    """When it was being ended, or gone: seconds of `time.monotonic()`."""
    _process: asyncio.subprocess.Process | None = None
    _down_since: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self.inside,
                sys.executable,
                *("-P", "-m", "rostra.mesh.cli.main"),
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        self.lives.append([])

    def signal(self, number: signal.Signals) -> None:
        """To all its processes, as the end of a host."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def began_to_go(self) -> None:
        self._down_since = time.monotonic()

    def is_back(self) -> None:
        self.down.append((self._down_since, time.monotonic()))

    async def kill(self) -> None:
        """-9, without a word."""
        self.began_to_go()
        self.signal(signal.SIGKILL)
        assert self._process is not None
        await self._process.wait()

    async def terminate(self) -> int:
        """SIGTERM to the process itself. Returns its exit code; raises TimeoutError where it does
        not end."""
        self.began_to_go()
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.terminate()
        return await asyncio.wait_for(self._process.wait(), _ENDING)

    async def end(self) -> None:
        """However it is."""
        if not self.running:
            return
        self.signal(signal.SIGCONT)
        try:
            await self.terminate()
        except TimeoutError:
            pass
        finally:
            self.signal(signal.SIGKILL)

    def processes(self) -> list[psutil.Process]:
        """Itself, and what it started."""
        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.pid)
            return [found, *found.children(recursive=True)]
        return []

    def footprint(self) -> Footprint | None:
        """Of all its processes together."""
        with suppress(psutil.Error):
            found = self.processes()
            if found:
                return Footprint(
                    mebibytes=sum(each.memory_info().rss for each in found) / 2**20,
                    descriptors=sum(each.num_fds() for each in found),
                    threads=sum(each.num_threads() for each in found),
                )
        return None

    def sample(self) -> None:
        """Notes what it holds now."""
        if self.running and (footprint := self.footprint()) is not None:
            self.lives[-1].append(footprint)

    def fill_disk(self, full: bool) -> None:
        """Lets no file of its processes grow: writing fails as on a disk that is full."""
        limit = self.log.stat().st_size if full else resource.RLIM_INFINITY
        for each in self.processes():
            with suppress(ProcessLookupError, PermissionError):
                resource.prlimit(each.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


@dataclass
class Mesh:
    """All of them, and what lies between them."""

    workers: list[Node]
    gateways: list[Node]
    network: Network
    urls: list[str]
    """Of each gateway."""
    addresses: list[str]
    """At which each worker listens."""

    @property
    def nodes(self) -> list[Node]:
        return [*self.workers, *self.gateways]

    async def whole(self, timeout: float = 180.0) -> None:
        """Returns when every gateway serves from every worker. Raises TimeoutError."""
        async with aiohttp.ClientSession() as session:
            for url in self.urls:
                await until(lambda url=url: self._serves_all(session, url), timeout)

    async def ready(self, gateway: int, timeout: float = 120.0) -> None:
        """Returns when this gateway serves from some worker. Raises TimeoutError."""
        async with aiohttp.ClientSession() as session:
            await until(lambda: _is_ready(session, self.urls[gateway]), timeout)

    async def is_out(self, gateway: int, address: str) -> bool:
        """Whether this gateway says that it sends the worker no requests now."""
        async with aiohttp.ClientSession() as session:
            states = await _states(session, self.urls[gateway])
        return states.get(address, "serving") != "serving"

    async def _serves_all(self, session: aiohttp.ClientSession, url: str) -> bool:
        states = await _states(session, url)
        return len(states) == len(self.workers) and set(states.values()) == {"serving"}


@asynccontextmanager
async def mesh(
    model: Path,
    folder: Path,
    *,
    workers: int,
    gateways: int,
    worker_options: Sequence[str] = (),
    settings: str = "",
    network: Network | None = None,
) -> AsyncIterator[Mesh]:
    """Started and whole; ended at the end. `settings` are lines of the table `[gateway]`; logs go
    to `folder`. The network is one of proxies where none is given."""
    network = network or ProxyNetwork()
    await network.start(workers)
    behind = ", ".join(f'"{network.address(number)}"' for number in range(workers))
    config = folder / "gateway.toml"
    config.write_text(f"[gateway]\nworkers = [{behind}]\n{settings}\n")
    gateway_ports = [free_port() for _ in range(gateways)]
    made = Mesh(
        workers=[
            Node(
                f"worker-{number + 1}",
                (
                    *("worker", "--model", str(model), "--name", MODEL, "--num-threads", "1"),
                    # Nobody else is on the network.
                    *("--listen", network.listen(number), "--insecure-public", *worker_options),
                ),
                folder / f"worker-{number + 1}.log",
                network.command(number),
            )
            for number in range(workers)
        ],
        gateways=[
            Node(
                f"gateway-{number}",
                ("gateway", "--config", str(config), "--port", str(port)),
                folder / f"gateway-{number}.log",
            )
            for number, port in enumerate(gateway_ports, start=1)
        ],
        network=network,
        urls=[f"http://127.0.0.1:{port}" for port in gateway_ports],
        addresses=[network.listen(number) for number in range(workers)],
    )
    try:
        for node in made.nodes:
            await node.start()
        await made.whole()
        for node in made.nodes:
            node.is_back()
        yield made
    finally:
        await asyncio.gather(*(node.end() for node in made.gateways))
        await asyncio.gather(*(node.end() for node in made.workers))
        await network.close()


async def until(condition: Callable[[], Any], timeout: float) -> None:
    """Asks an asynchronous condition until it holds. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        while not await condition():  # noqa: ASYNC110 -- it lies in another process
            await asyncio.sleep(0.1)


async def _states(session: aiohttp.ClientSession, url: str) -> dict[str, str]:
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with session.get(f"{url}/ready", timeout=timeout) as response:
            states: dict[str, str] = (await response.json())["workers"]
            return states
    except (aiohttp.ClientError, TimeoutError):
        return {}


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    return "serving" in (await _states(session, url)).values()
