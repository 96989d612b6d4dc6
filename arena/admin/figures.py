"""What the admin page shows of the store: counted in threads, once for all who look."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from rostra.arena.admin.changes import Changed, changes
from rostra.arena.admin.counts import Breakdown, Totals, breakdown, since, totals
from rostra.arena.admin.health import Health, health
from rostra.arena.errors import AnswerError
from rostra.arena.gateway_client import GatewayClient
from rostra.arena.votes.database import open_database, snapshot

FRESH = 3.0
"""Seconds for which what was counted is shown again."""
SHARE = 0.1
"""Of the time, at most, that is spent counting."""
PERIODS = {1: "today", 7: "7 days", 30: "30 days", 0: "all time"}
"""What votes can be counted over, in days."""


@dataclass(frozen=True)
class Counted:
    at: datetime
    seconds: float
    """That the database took."""
    totals: Totals
    breakdown: Breakdown
    health: dict[str, Health]
    changes: list[Changed]


@dataclass(frozen=True)
class Served:
    """What the gateway said that it serves."""

    models: frozenset[str] | None
    """`None`: it did not say."""
    why: str = ""


class Figures:
    """Has connections of its own, so that nobody who votes waits for one."""

    def __init__(self, votes_url: str, client: GatewayClient) -> None:
        """Blocks. Raises `ArenaError`."""
        self.engine = open_database(votes_url)
        """For reading."""
        self._client = client
        self._lock = asyncio.Lock()
        self._counted: dict[int, tuple[float, Counted]] = {}
        self._served: tuple[float, Served] | None = None

    def close(self) -> None:
        self.engine.dispose()

    def forget(self) -> None:
        """Something was changed, and is to be seen."""
        self._counted.clear()

    async def counted(self, days: int) -> Counted:
        """Of the last `days` days where it is about a time; see `PERIODS`."""
        async with self._lock:
            found = self._counted.get(days)
            if found is None or time.monotonic() >= found[0]:
                counted = await asyncio.to_thread(self._count, days)
                lasts = max(FRESH, counted.seconds / SHARE)
                found = self._counted[days] = (time.monotonic() + lasts, counted)
            return found[1]

    async def earlier_changes(self, before: int) -> list[Changed]:
        return await asyncio.to_thread(self._changes, before)

    async def served(self) -> Served:
        """Whom the gateway lists now."""
        if self._served is None or time.monotonic() >= self._served[0]:
            try:
                served = Served(frozenset(await self._client.models()))
            except AnswerError as error:
                served = Served(None, str(error))
            self._served = (time.monotonic() + FRESH, served)
        return self._served[1]

    def _count(self, days: int) -> Counted:
        began, now = time.monotonic(), datetime.now(UTC)
        with snapshot(self.engine) as connection:
            counted = (
                totals(connection, now),
                breakdown(connection, since(now, days)),
                health(connection, now),
                changes(connection),
            )
        return Counted(now, time.monotonic() - began, *counted)

    def _changes(self, before: int) -> list[Changed]:
        with snapshot(self.engine) as connection:
            return changes(connection, before)
