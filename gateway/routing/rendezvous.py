"""Rendezvous hashing: highest random weight (Thaler and Ravishankar 1998).

Each pair of a key and a name has a score, the same in every process; a key belongs to the name with
the highest. Where a name leaves, only its own keys move.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from hashlib import blake2b

_MASK = (1 << 64) - 1


@functools.lru_cache(maxsize=16384)
def key_of(name: str) -> int:
    """64 bits."""
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def score(key: int, name: str) -> int:
    """64 bits, by the finaliser of splitmix64 (Steele, Lea and Flood 2014)."""
    mixed = (key ^ key_of(name)) + 0x9E3779B97F4A7C15 & _MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
    return mixed ^ mixed >> 31


def weighted(key: int, weights: Iterable[tuple[str, float]]) -> str:
    """A name, each for a part of all keys in proportion to its weight, which is above 0.

    Where a weight is raised, keys move to that name and nowhere else (Schindelhauer and Schomaker
    2005).
    """

    def rank(name: str, weight: float) -> float:
        return -weight / math.log((score(key, name) + 0.5) / 2.0**64)

    return max(weights, key=lambda item: rank(*item))[0]
