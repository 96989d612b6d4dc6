"""Where the gateway learns of its workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Protocol

from rostra.gateway.backoff import Backoff, persist

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
"""Seconds until a source that failed is asked again."""


class Membership(Protocol):
    """A source of worker addresses (a list, DNS, a registry)."""

    def addresses(self) -> AsyncIterator[frozenset[str]]:
        """All addresses at once, as host:port, and all of them again after each change.

        An iterator that ends has said that nothing will change any more.
        """
        ...


def following_backoff() -> Backoff:
    """Of who follows a source."""
    return Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)


class StaticMembership:
    """A list that never changes."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._addresses = frozenset(addresses)

    async def addresses(self) -> AsyncIterator[frozenset[str]]:
        yield self._addresses


class UnionMembership:
    """Several sources as one; what one of them said last holds until it says something else, also
    while it fails."""

    def __init__(self, *sources: Membership) -> None:
        self._sources = sources

    async def addresses(self) -> AsyncIterator[frozenset[str]]:
        said: list[frozenset[str]] = [frozenset()] * len(self._sources)
        news = asyncio.Event()

        async def listen(index: int, source: Membership) -> None:
            async for addresses in source.addresses():
                said[index] = addresses
                news.set()

        listening = {
            asyncio.create_task(
                persist(
                    partial(listen, index, source),
                    f"learning who the workers are ({type(source).__name__})",
                    following_backoff(),
                )
            )
            for index, source in enumerate(self._sources)
        }
        unfinished = set(listening)
        try:
            while unfinished or news.is_set():
                heard = asyncio.create_task(news.wait())
                await asyncio.wait({heard, *unfinished}, return_when=asyncio.FIRST_COMPLETED)
                heard.cancel()
                for task in [task for task in unfinished if task.done()]:
                    unfinished.remove(task)
                    task.result()
                if news.is_set():
                    news.clear()
                    yield frozenset[str]().union(*said)
        finally:
            for task in listening:
                task.cancel()
