"""The rounds that somebody is in, or has just lost sight of."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from rostra.arena.round import Round


@dataclass
class _Entry:
    round: Round
    watchers: int = 0
    leaving: asyncio.Task[None] | None = None


class LiveRounds:
    """Rounds in memory by the id of their battle, so that a page that comes back goes on in one.

    A round that nobody watches goes on for `grace` seconds. Then its answers are cut, and it lives
    in the store alone.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._entries: dict[str, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def watch(self, current: Round) -> None:
        """Somebody looks at it, who will `leave` it. Its first question has been stored."""
        entry = self._entries.setdefault(_battle_id(current), _Entry(current))
        entry.watchers += 1
        if entry.leaving is not None:
            entry.leaving.cancel()
            entry.leaving = None

    def find(self, battle_id: str) -> Round | None:
        entry = self._entries.get(battle_id)
        return entry.round if entry else None

    def leave(self, current: Round) -> None:
        """The page is gone, and may come back."""
        entry = self._entries.get(_battle_id(current))
        if entry is None:
            return
        entry.watchers -= 1
        if entry.watchers <= 0 and entry.leaving is None:
            entry.leaving = asyncio.create_task(self._forget(entry))

    async def drop(self, current: Round) -> None:
        """The voter is done with it."""
        entry = self._entries.pop(_battle_id(current), None)
        if entry is not None and entry.leaving is not None:
            entry.leaving.cancel()
        await current.close()

    async def drain(self, grace: float) -> None:
        """Returns when all answers have ended, after `grace` seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                for entry in list(self._entries.values()):
                    while not entry.round.ended:
                        await entry.round.next_moment()

    async def close(self) -> None:
        """Cuts all answers, and returns when they are stored."""
        await asyncio.gather(*(self.drop(entry.round) for entry in list(self._entries.values())))

    async def _forget(self, entry: _Entry) -> None:
        await asyncio.sleep(self._grace)
        self._entries.pop(_battle_id(entry.round), None)
        await entry.round.close()


def _battle_id(current: Round) -> str:
    if current.ticket is None:
        raise RuntimeError("a round is watched before its battle is stored")
    return current.ticket.battle_id
