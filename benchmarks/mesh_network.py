"""What lies between the gateways of a mesh and its workers, and can be cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

Kind = Literal["namespaces", "proxy"]


class Network(Protocol):
    """Workers are numbered from 0."""

    kind: Kind

    async def start(self, workers: int) -> None:
        """Once, before anything else is asked of it."""
        ...

    async def close(self) -> None: ...

    def listen(self, worker: int) -> str:
        """host:port at which the worker listens."""
        ...

    def address(self, worker: int) -> str:
        """host:port at which gateways call it."""
        ...

    def command(self, worker: int) -> Sequence[str]:
        """What a worker's own command stands behind."""
        ...

    async def cut(self, worker: int) -> None:
        """A partition: nothing comes through either way and nobody says so, so that only timeouts
        tell. Connections stay."""
        ...

    async def mend(self, worker: int) -> None: ...

    async def reset(self, worker: int) -> None:
        """The opposite: every connection ends at once."""
        ...
