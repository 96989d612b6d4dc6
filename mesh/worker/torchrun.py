"""A rank that torchrun started beside the worker."""

from __future__ import annotations

import logging
import os
from typing import NoReturn

from rostra.mesh.distributed.place import PEER_LOST, PeerLostError, Place
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.errors import RostraError
from rostra.mesh.worker import wire
from rostra.mesh.worker.engine_process import follow, ignore_signals

log = logging.getLogger(__name__)

_MENDABLE = 2


def follow_worker(config: EngineConfig, place: Place) -> NoReturn:
    """Computes for the worker, which is rank 0, until one of the two ends; then ends the process.

    Signals to stop are left to the worker: it drains first, and needs this rank for it.
    """
    ignore_signals()
    code = PEER_LOST
    try:
        follow(wire.Configure(config, place))
    except PeerLostError as error:
        log.warning("another rank has ended: %s", error)
    except RostraError as error:
        log.error("%s", error)
        code = _MENDABLE
    # Not an exception: what waits for the other ranks in threads would hold up the end.
    os._exit(code)
