"""Ranks that nobody else supervises as one watch each other."""

from __future__ import annotations

import logging
import os
import threading
from datetime import timedelta

import torch
import torch.distributed as dist

from rostra.mesh.distributed.place import PEER_LOST

log = logging.getLogger(__name__)


def watch_peers(rank: int, size: int, timeout: timedelta) -> None:
    """Ends this process as soon as another rank's has ended, even where both are idle or wait on a
    GPU: then no collective on the host would tell.

    Rank 0 watches all others, and they watch rank 0. Every rank must come here.
    """
    group = dist.new_group(backend="gloo", timeout=timeout)
    for peer in range(1, size) if rank == 0 else [0]:
        watch = threading.Thread(target=_watch, args=(peer, group), daemon=True)
        watch.start()


def _watch(peer: int, group: dist.ProcessGroup) -> None:
    try:
        # Nobody ever sends this: the receive fails when the peer's end of the connection closes.
        dist.recv(torch.empty(1), peer, group=group)
    except RuntimeError:
        log.warning("rank %d has ended, and so does this one", peer)
        os._exit(PEER_LOST)
