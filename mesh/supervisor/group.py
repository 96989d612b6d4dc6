"""All processes of one `rostra up`: started together, ended in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rostra.mesh.supervisor.process import ManagedProcess


class ProcessGroup:
    """Starts every member at once and stops them tier by tier.

    Callers come before what they call: the arena stops before the gateway, the gateway before the
    workers, so that each finishes its running requests while the next tier still answers.
    """

    def __init__(self, tiers: Sequence[Sequence[ManagedProcess]]) -> None:
        self.tiers = tiers

    @property
    def members(self) -> list[ManagedProcess]:
        return [process for tier in self.tiers for process in tier]

    def start(self) -> None:
        for process in self.members:
            process.start()

    async def stop(self) -> None:
        for tier in self.tiers:
            await asyncio.gather(*(process.stop() for process in tier))

    def kill(self) -> None:
        for process in self.members:
            process.kill()

    def failing(self, limit: int) -> ManagedProcess | None:
        """A member that died `limit` times or more."""
        return next((process for process in self.members if process.restarts >= limit), None)
