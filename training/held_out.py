"""Which rows are kept for evaluation."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence


def held_out(groups: Sequence[str], share: float, seed: int) -> list[bool]:
    """[rows], whether each is kept for evaluation; `groups`: what must not be on both sides.

    Groups are taken in an order that depends on the seed and their names alone, until they have
    `share` of the rows: so rows that are added move hardly any other. Of at least two groups one
    is always taken, where a share is asked for, and one always left.
    """
    sizes = Counter(groups)
    order = sorted(sizes, key=lambda group: hashlib.sha256(f"{seed}\0{group}".encode()).digest())
    wanted, count = share * len(groups), 0
    taken: set[str] = set()
    for group in order[:-1]:
        if share == 0 or (taken and count >= wanted):
            break
        taken.add(group)
        count += sizes[group]
    return [group in taken for group in groups]
