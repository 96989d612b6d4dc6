"""The worker's side of `rostra.v1.Registry`: joins every gateway, and stays."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from rostra.mesh.worker.join_stream import Announcer, GatewayStream
from rostra.mesh.worker.join_target import JoinConfig

__all__ = ["Announcer", "Joining"]

_TELL_TIMEOUT = 1.0
"""Seconds for gateways to be told of a drain, and of the end."""


class Joining:
    """One stream to each gateway; what happens to one of them is nothing to the others."""

    def __init__(self, config: JoinConfig, source: Announcer, listening: str, *, tls: bool) -> None:
        """`listening`: host:port of the worker's server; `tls`: whether that wants TLS."""
        self._streams = [
            GatewayStream(gateway, config, source, listening, tls=tls)
            for gateway in config.gateways
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(stream.run(), name=f"join {stream.gateway}")
            for stream in self._streams
        ]

    def changed(self) -> None:
        """Something else than the load is new, so that gateways are told at once."""
        for stream in self._streams:
            stream.changed()

    async def drain(self) -> None:
        """Returns once the gateways were told, those that take it in time."""
        await self._in_time([stream.tell() for stream in self._streams])

    async def close(self) -> None:
        """Leaves. Idempotent."""
        await self._in_time([stream.leave() for stream in self._streams])
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _in_time(self, work: list[Coroutine[Any, Any, None]]) -> None:
        tasks = [asyncio.ensure_future(one) for one in work]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_TELL_TIMEOUT)
            for task in late:
                task.cancel()
