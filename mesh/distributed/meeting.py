"""Where the ranks of a group find each other."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta

from torch.distributed import FileStore  # type: ignore[attr-defined] # not in the stubs
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from rostra.mesh.distributed.place import Place

_POLL = 0.05


def meet(place: Place, timeout: timedelta) -> Store:
    """A store that the ranks of this group share with nobody, not even with ranks that were started
    before them and have died."""
    if place.meeting_file is not None:
        return FileStore(place.meeting_file, place.size)
    store, *_ = next(rendezvous("env://", timeout=timeout))
    return PrefixStore(_agree(store, place), store)


def _agree(store: Store, place: Place) -> str:
    """A name for the group that is new.

    torchrun keeps one store for all its restarts, with what dead ranks have left in it. So a rank
    asks under a name of its own, and waits for the answer to that; rank 0 answers all that ask, the
    dead among them, until each of the living has said that it knows.
    """
    own = uuid.uuid4().hex
    if place.rank > 0:
        store.set(f"asks/{place.rank}", own)
        group = store.get(f"answer/{own}").decode()
        store.set(f"{group}/knows/{place.rank}", "")
        return group
    waiting = set(range(1, place.size))
    while waiting:
        for rank in list(waiting):
            if store.check([f"asks/{rank}"]):
                store.set(f"answer/{store.get(f'asks/{rank}').decode()}", own)
            if store.check([f"{own}/knows/{rank}"]):
                waiting.remove(rank)
        time.sleep(_POLL)
    return own
