"""Where the gateway learns of its workers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Protocol


class Membership(Protocol):
    """A source of worker addresses (a list, DNS, a registry)."""

    def addresses(self) -> AsyncIterator[frozenset[str]]:
        """All addresses at once, as host:port, and all of them again after each change.

        An iterator that ends has said that nothing will change any more.
        """
        ...


class StaticMembership:
    """A list that never changes."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._addresses = frozenset(addresses)

    async def addresses(self) -> AsyncIterator[frozenset[str]]:
        yield self._addresses
