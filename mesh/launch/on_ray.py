"""Workers wherever a Ray cluster has room for them."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rostra.mesh.errors import RostraError
from rostra.mesh.launch.gateway_queue import GatewayQueue
from rostra.mesh.launch.replica_set import ReplicaSet
from rostra.mesh.launch.settings import LauncherSettings
from rostra.mesh.launch.spec import WorkerSpec
from rostra.mesh.supervisor.ports import split_address

CONNECT_TIMEOUT = 5.0
"""Seconds."""


class RayLauncher:
    """Places replicas as Ray actors, replaces what is gone, and scales.

    Gateways on this host learn the addresses from a file that is replaced at every change.
    """

    def __init__(
        self,
        specs: Sequence[WorkerSpec],
        settings: LauncherSettings,
        notify: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._notify = notify
        self._queue = GatewayQueue()
        self._sets = [ReplicaSet(spec, self._queue, self._changed, notify) for spec in specs]
        self._folder = tempfile.TemporaryDirectory(prefix="rostra-")
        self._file = Path(self._folder.name) / "workers"
        self._known: dict[str, str] = {}
        self._changed()

    @property
    def membership(self) -> dict[str, Any]:
        return {"workers_file": self._file}

    @property
    def workers(self) -> dict[str, str]:
        return {name: address for each in self._sets for name, address in each.workers.items()}

    @property
    def log_paths(self) -> list[Path]:
        return []

    async def start(self, gateway_url: str) -> None:
        connect(self._settings.address)
        self._queue.url = gateway_url
        for each in self._sets:
            each.start()

    def all_serve(self, states: Mapping[str, str]) -> bool:
        return all(each.serving(states) >= each.spec.replicas.min for each in self._sets)

    def trouble(self, limit: int) -> str | None:
        return next(filter(None, (each.trouble(limit) for each in self._sets)), None)

    async def stop(self) -> None:
        import ray

        await asyncio.gather(*(each.stop() for each in self._sets))
        await self._queue.close()
        if ray.is_initialized():
            await asyncio.to_thread(ray.shutdown)
        self._folder.cleanup()

    def kill(self) -> None:
        for each in self._sets:
            each.kill()

    def _changed(self) -> None:
        """Writes the file anew, and tells of what is new."""
        workers = self.workers
        for name, address in workers.items():
            if self._known.get(name) != address:
                self._notify(f"{name} starts at {address}")
        self._known = workers
        new = self._file.with_suffix(".new")
        lines = [f"{address}  # {name}\n" for name, address in sorted(workers.items())]
        new.write_text("".join(lines), encoding="utf-8")
        new.replace(self._file)


def require_ray() -> None:
    """Raises RostraError when Ray is not installed."""
    missing = [name for name in ("ray", "tomli_w") if find_spec(name) is None]
    if missing:
        raise RostraError(
            f"the launcher ray needs {', '.join(missing)}: pip install 'rostra[ray]', here and on "
            "every node of the cluster"
        )


def connect(address: str) -> None:
    """Joins the cluster as its driver. Raises RostraError where there is none."""
    import ray

    if address.startswith("ray://"):
        raise RostraError(
            f"{address}: rostra up has to run on a node of the cluster itself; join this host with "
            "ray start --address=HOST:PORT, and give host:port or auto"
        )
    if address != "auto":
        _must_listen(address)
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False, namespace="rostra")
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_cluster(address, str(error).strip().splitlines()[0]) from error


def _must_listen(address: str) -> None:
    """Ray itself tries for minutes."""
    try:
        socket.create_connection(split_address(address), timeout=CONNECT_TIMEOUT).close()
    except OSError as error:
        raise _no_cluster(address, error.strerror or str(error)) from error


def _no_cluster(address: str, why: str) -> RostraError:
    return RostraError(
        f"no Ray cluster at {address} ({why}): start one with ray start --head, or join this host "
        "to one with ray start --address=HOST:PORT"
    )
