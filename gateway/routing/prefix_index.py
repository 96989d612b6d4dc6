"""Which worker has which prefix in its cache, as far as a gateway knows."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence


class PrefixIndex:
    """From keys of prefixes to the workers that have them.

    Holds at most `capacity` keys; the least recently noted go first. Every operation takes time in
    proportion to the keys it is given, whatever the size of the index.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._holders: OrderedDict[int, set[int]] = OrderedDict()
        # A worker that is forgotten gets another number: what stands under the old one is nobody's.
        self._numbers: dict[str, int] = {}
        self._addresses: dict[int, str] = {}
        self._count = itertools.count()

    def __len__(self) -> int:
        return len(self._holders)

    def add(self, address: str, keys: Sequence[int]) -> None:
        """Keys of ever longer prefixes."""
        number = self._numbers.get(address)
        if number is None:
            number = self._numbers[address] = next(self._count)
            self._addresses[number] = address
        holders = self._holders
        # The longest first, so that it is also the first to go.
        for key in reversed(keys):
            known = holders.get(key)
            if known is None:
                holders[key] = {number}
            else:
                known.add(number)
                holders.move_to_end(key)
        while len(holders) > self._capacity:
            holders.popitem(last=False)

    def discard(self, address: str, keys: Iterable[int]) -> None:
        number = self._numbers.get(address)
        for key in keys if number is not None else ():
            known = self._holders.get(key)
            if known is not None and number in known:
                known.remove(number)
                if not known:
                    del self._holders[key]

    def forget(self, address: str) -> None:
        """All that was noted of a worker."""
        number = self._numbers.pop(address, None)
        if number is not None:
            del self._addresses[number]

    def longest(self, keys: Sequence[int], addresses: Collection[str]) -> tuple[int, set[str]]:
        """How many leading keys any of `addresses` has, and those that have as many."""
        named = self._addresses
        for depth in range(len(keys), 0, -1):
            known = self._holders.get(keys[depth - 1])
            if known:
                found = {named[number] for number in known if number in named}
                if found := found.intersection(addresses):
                    return depth, found
        return 0, set()
