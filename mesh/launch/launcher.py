"""What `rostra up` asks of whoever runs its workers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol


class Launcher(Protocol):
    """Runs workers from `start` to `stop`, and starts again what dies."""

    @property
    def membership(self) -> dict[str, Any]:
        """The settings by which a gateway on this host finds the workers."""
        ...

    @property
    def workers(self) -> dict[str, str]:
        """Addresses by name, of those that have one now."""
        ...

    @property
    def log_paths(self) -> list[Path]:
        """Of the workers on this host."""
        ...

    async def start(self, gateway_url: str) -> None:
        """Begins; does not wait until anything serves. Raises RostraError where nothing can.

        `gateway_url`: of the gateway that will have the `membership`.
        """
        ...

    def all_serve(self, states: Mapping[str, str]) -> bool:
        """Whether as many serve as were asked for; `states` is the gateway's word on each address,
        "serving" or why not."""
        ...

    def trouble(self, limit: int) -> str | None:
        """Why it is no use to wait, such as a worker that has died `limit` times."""
        ...

    async def stop(self) -> None:
        """Drains all of them and leaves nothing behind. Idempotent."""
        ...

    def kill(self) -> None:
        """Ends running work at once. `stop` must still be awaited."""
        ...
