"""Workers as processes of this host."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rostra.mesh.supervisor.process import ManagedProcess


class LocalLauncher:
    """One process for each worker, at an address that stays the same when it is started again."""

    def __init__(self, processes: Mapping[str, tuple[str, ManagedProcess]]) -> None:
        """`processes`: address and process by name."""
        self._workers = {name: address for name, (address, _) in processes.items()}
        self._processes = [process for _, process in processes.values()]

    @property
    def membership(self) -> dict[str, Any]:
        return {"workers": tuple(self._workers.values())}

    @property
    def workers(self) -> dict[str, str]:
        return self._workers

    @property
    def log_paths(self) -> list[Path]:
        return [process.log_path for process in self._processes]

    async def start(self, gateway_url: str) -> None:
        for process in self._processes:
            process.start()

    def all_serve(self, states: Mapping[str, str]) -> bool:
        return all(states.get(address) == "serving" for address in self._workers.values())

    def trouble(self, limit: int) -> str | None:
        for process in self._processes:
            if process.restarts >= limit:
                return process.complaint()
        return None

    async def stop(self) -> None:
        await asyncio.gather(*(process.stop() for process in self._processes))

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
