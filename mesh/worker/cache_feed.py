"""Who follows the engine's prefix cache, and what each is still to be told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from rostra.mesh.engine.cache_log import CacheChanges
from rostra.mesh.worker import wire
from rostra.mesh.worker.cache_mirror import CacheMirror, Event
from rostra.v1 import control_pb2

EVENTS_PER_MESSAGE = 1024
MAX_PENDING_EVENTS = 16384
"""For a follower that does not read; one more, and it is told everything anew when it does."""
IDLE_SECONDS = 60.0
"""That the engine goes on telling after the last follower has left: it may only be reconnecting."""

_KEY_EVENTS = ("prefix_stored", "prefix_removed", "cleared")


class CacheFeed:
    """Has the engine tell of its cache while somebody follows. All methods belong to one event
    loop."""

    def __init__(self, send: Callable[[wire.Command], None]) -> None:
        self._send = send
        self._mirror = CacheMirror()
        self._followers: set[_Follower] = set()
        self._keys = self._blocks = False
        """What the engine was asked to tell."""
        self._num_asked = 0
        """Questions to the engine whose answer, all that is cached, is still to come."""
        self._begun = asyncio.Event()
        """Whether the mirror is whole."""
        self._stopping: asyncio.TimerHandle | None = None

    def take(self, changes: CacheChanges) -> None:
        if not self._keys:
            # On its way when it was asked to stop.
            return
        events = self._mirror.apply(changes)
        if changes.begins:
            self._num_asked -= 1
            if self._num_asked:
                return
            self._begun.set()
            for follower in self._followers:
                follower.begin_again()
        elif self._begun.is_set():
            for follower in self._followers:
                follower.put(events)

    def engine_began(self) -> None:
        """A new engine is there, with an empty cache, which has been asked for nothing yet."""
        if self._keys:
            self._ask()

    def engine_ended(self) -> None:
        self._num_asked = 0
        self._mirror.clear()
        for follower in self._followers:
            follower.begin_again()

    async def follow(
        self, *, keys_only: bool
    ) -> AsyncGenerator[control_pb2.SubscribeKvEventsResponse, None]:
        """Everything that is cached, and then what changes, until it is closed."""
        follower = _Follower(self._mirror, keys_only=keys_only)
        self._followers.add(follower)
        self._want(blocks=not keys_only)
        try:
            await self._begun.wait()
            sequence = 0
            async for events in follower.events():
                yield control_pb2.SubscribeKvEventsResponse(sequence=sequence, events=events)
                sequence += 1
        finally:
            self._followers.remove(follower)
            if not self._followers:
                loop = asyncio.get_running_loop()
                self._stopping = loop.call_later(IDLE_SECONDS, self._stop)

    def _want(self, *, blocks: bool) -> None:
        if self._stopping is not None:
            self._stopping.cancel()
            self._stopping = None
        if not self._keys or (blocks and not self._blocks):
            self._keys, self._blocks = True, self._blocks or blocks
            self._ask()

    def _stop(self) -> None:
        self._stopping = None
        self._keys = self._blocks = False
        self._mirror.clear()
        self._ask()

    def _ask(self) -> None:
        if self._keys:
            self._num_asked += 1
            self._begun.clear()
        self._send(wire.FollowCache(keys=self._keys, blocks=self._blocks))


class _Follower:
    def __init__(self, mirror: CacheMirror, *, keys_only: bool) -> None:
        self._mirror = mirror
        self._keys_only = keys_only
        self._pending: list[Event] = []
        self._lost = True
        """Whether it is to be told everything: at first, and where it fell behind."""
        self._first = True
        self._something = asyncio.Event()
        self._something.set()

    def begin_again(self) -> None:
        self._pending.clear()
        self._lost = True
        self._something.set()

    def put(self, events: Sequence[Event]) -> None:
        if self._keys_only:
            events = [event for event in events if event.WhichOneof("event") in _KEY_EVENTS]
        if self._lost or not events:
            return
        if len(self._pending) + len(events) > MAX_PENDING_EVENTS:
            self.begin_again()
            return
        self._pending += events
        self._something.set()

    async def events(self) -> AsyncGenerator[list[Event], None]:
        while True:
            await self._something.wait()
            self._something.clear()
            if self._lost:
                self._lost = False
                told = self._mirror.snapshot(blocks=not self._keys_only)
                if not self._first:
                    told.insert(0, Event(cleared=control_pb2.KvCacheCleared()))
            else:
                told, self._pending = self._pending, []
            # The first message comes in any case: the reader knows by it that it follows.
            for start in range(0, max(len(told), int(self._first)), EVENTS_PER_MESSAGE):
                self._first = False
                yield told[start : start + EVENTS_PER_MESSAGE]
