"""Learns from workers what their prefix caches hold."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import grpc

from rostra.gateway.routing.prefix_index import PrefixIndex
from rostra.v1 import control_pb2

if TYPE_CHECKING:
    from rostra.gateway.fleet import Fleet
    from rostra.gateway.worker_link import WorkerLink

logger = logging.getLogger(__name__)

_LOOK_AGAIN = 5.0
_RETRY = 1.0
_MISSING_RETRY = 60.0
"""Seconds. A worker that does not report may be replaced by one that does."""


class CacheFollower:
    """Keeps a stream to each worker that serves, and the index as these tell it.

    Only prefixes that some gateway named are told, by names that all gateways make alike: so what
    one gateway sent to a worker all others know, and one that starts knows it at once.
    """

    def __init__(self, fleet: Fleet, index: PrefixIndex) -> None:
        self._fleet = fleet
        self._index = index
        self._tasks: dict[WorkerLink, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                present = set(self._fleet.workers)
                for link in self._tasks.keys() - present:
                    self._tasks.pop(link).cancel()
                    self._index.forget(link.address)
                for link in present - self._tasks.keys():
                    self._tasks[link] = asyncio.create_task(self._follow(link))
                with suppress(TimeoutError):
                    await self._fleet.wait_for_change(_LOOK_AGAIN)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _follow(self, link: WorkerLink) -> None:
        while True:
            while not link.serving:
                with suppress(TimeoutError):
                    await self._fleet.wait_for_change(_LOOK_AGAIN)
            pause = _RETRY
            try:
                await self._read(link)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                    pause = _MISSING_RETRY
                logger.debug("worker %s reports no cache: %s", link.address, error.details())
            except Exception:
                logger.exception("following the cache of %s failed; trying again", link.address)
            await asyncio.sleep(pause)

    async def _read(self, link: WorkerLink) -> None:
        request = control_pb2.SubscribeKvEventsRequest(prefixes_only=True)
        first = True
        async for message in link.control.SubscribeKvEvents(request):
            if first:
                # It begins with all that is there.
                self._index.forget(link.address)
                first = False
            for event in message.events:
                match event.WhichOneof("event"):
                    case "prefix_stored":
                        self._index.add(link.address, event.prefix_stored.keys)
                    case "prefix_removed":
                        self._index.discard(link.address, event.prefix_removed.keys)
                    case "cleared":
                        self._index.forget(link.address)
