"""All processes of one engine: started together, and ended together whichever ends first."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from rostra.mesh.distributed.place import PEER_LOST, Place
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.worker import wire
from rostra.mesh.worker.engine_connection import ENGINE_COMMAND, EngineConnection

_LAST_WORDS = 0.2
"""Seconds between the end of a rank and SIGKILL for the others. Those that wait for it end by
themselves meanwhile, so that it is known which was the first."""


class Ending(NamedTuple):
    """Why an engine ended."""

    message: str
    mendable: bool
    """Whether the message is a `RostraError`'s, meant for the user as it stands."""


class EngineGroup:
    """A running engine. `open` starts its processes, `close` ends them.

    Rank 0 takes the commands and tells the events. As soon as any rank ends, all do.
    """

    def __init__(self, ranks: Sequence[EngineConnection], folder: str | None) -> None:
        self._ranks = ranks
        self._folder = folder
        self._ended: list[EngineConnection] = []
        """By themselves, in the order in which that was noticed."""
        self._watches = [asyncio.create_task(self._watch(rank)) for rank in ranks[1:]]

    @classmethod
    async def open(
        cls,
        config: EngineConfig,
        command: Sequence[str] = ENGINE_COMMAND,
        place: Place | None = None,
    ) -> EngineGroup:
        """Starts a process for each rank; or only the one of `place`, where somebody else starts
        the others. Raises OSError."""
        size = config.tensor_parallel_size
        folder = None
        if place is not None or size == 1:
            places = [place or Place()]
        else:
            folder = tempfile.mkdtemp(prefix="rostra-ranks-")
            file = os.path.join(folder, "meeting")
            places = [
                Place(rank=rank, size=size, local_rank=rank, local_size=size, meeting_file=file)
                for rank in range(size)
            ]
        ranks: list[EngineConnection] = []
        try:
            for each in places:
                ranks.append(await EngineConnection.open(config, each, command))  # noqa: PERF401 - where one fails, those before it are ended
        except BaseException:
            await cls(ranks, folder)._end()
            raise
        return cls(ranks, folder)

    @property
    def pids(self) -> list[int]:
        """By rank."""
        return [rank.pid for rank in self._ranks]

    def send(self, command: wire.Command) -> None:
        """Never blocks: what rank 0 has not read yet waits in this process."""
        self._ranks[0].send(command)

    async def events(self) -> AsyncIterator[wire.Event]:
        """Ends when the first rank does."""
        async for event in self._ranks[0].events():
            yield event
        self._ended.append(self._ranks[0])

    def kill(self) -> None:
        """Ends processes that do not end by themselves; `events` ends with them."""
        for rank in self._ranks:
            rank.kill()

    async def close(self) -> Ending:
        """Ends all processes."""
        if self._ended and len(self._ended) < len(self._ranks):
            await asyncio.sleep(_LAST_WORDS)
        ended = list(self._ended)
        if ended:
            self.kill()
        return self._explain(ended, await self._end())

    async def _end(self) -> list[int]:
        try:
            return await asyncio.gather(*(rank.close() for rank in self._ranks))
        finally:
            for watch in self._watches:
                watch.cancel()
            await asyncio.gather(*self._watches, return_exceptions=True)
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    async def _watch(self, rank: EngineConnection) -> None:
        async for _ in rank.events():
            pass
        self._ended.append(rank)
        await asyncio.sleep(_LAST_WORDS)
        self.kill()

    def _explain(self, ended: Sequence[EngineConnection], codes: Sequence[int]) -> Ending:
        """By the first of those that `ended` for a reason of its own."""
        own = [
            rank
            for rank in ended
            if rank.failure is not None or codes[self._ranks.index(rank)] != PEER_LOST
        ]
        first = (*own, *ended, *self._ranks)[0]
        if first.failure is not None:
            return Ending(first.failure.message, first.failure.mendable)
        number = self._ranks.index(first)
        whose = f"the process of rank {number}" if len(self._ranks) > 1 else "its process"
        return Ending(f"{whose} {_describe_exit(codes[number])}", mendable=False)


def _describe_exit(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
