"""Collectives over torch.distributed."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, TypeVar

import psutil
import torch
import torch.distributed as dist
from torch import Tensor

from rostra.mesh.distributed.meeting import meet
from rostra.mesh.distributed.place import PeerLostError, Place
from rostra.mesh.distributed.watch import watch_peers
from rostra.mesh.errors import RostraError
from rostra.mesh.models.parallel import Parallel

P = ParamSpec("P")
T = TypeVar("T")

_JOINING = timedelta(minutes=30)
_FOREVER = timedelta(days=365)
"""A follower waits for the next step for as long as the engine is idle. That no rank waits for one
that is gone is for those to see to who start the ranks."""


def _among_peers(function: Callable[P, T]) -> Callable[P, T]:
    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        # What the backends raise, beside their own errors, which descend from it.
        except RuntimeError as error:
            # Their first sentence is what happened; the rest is advice.
            raise PeerLostError(str(error).partition(". ")[0]) from error

    return call


class DistributedParallel(Parallel):
    """One rank of several processes. Tensors on a GPU go through NCCL, others through gloo.

    Every collective raises PeerLostError where another rank has ended.
    """

    def __init__(self, place: Place, device: torch.device) -> None:
        """Waits for all ranks. `device` is the one that this rank computes on."""
        self.rank = place.rank
        self.size = place.size
        self.local_size = place.local_size
        self._join(place, device)
        self._host_group = dist.new_group(backend="gloo", timeout=_FOREVER)
        self._device_group = (
            self._host_group
            if device.type == "cpu"
            else dist.new_group(backend="nccl", timeout=_FOREVER, device_id=device)
        )
        if place.meeting_file is None:
            watch_peers(place.rank, place.size, _FOREVER)

    @_among_peers
    def _join(self, place: Place, device: torch.device) -> None:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        if place.meeting_file is not None:
            # The ranks of one host listen to nobody else.
            loopback = _loopback_interface()
            os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = loopback
        dist.init_process_group(
            "gloo",
            store=meet(place, _JOINING),
            rank=place.rank,
            world_size=place.size,
            timeout=_JOINING,
        )

    @_among_peers
    def all_reduce(self, x: Tensor) -> Tensor:
        dist.all_reduce(x, group=self._group_of(x))
        return x

    @_among_peers
    def gather_columns(self, x: Tensor) -> Tensor:
        rows, columns = x.shape
        parts = x.new_empty(self.size, rows, columns) if self.rank == 0 else None
        gathered = None if parts is None else list(parts.unbind())
        dist.gather(x.contiguous(), gathered, dst=0, group=self._group_of(x))
        if parts is None:
            return x.new_empty(rows, self.size * columns)
        return parts.movedim(0, 1).reshape(rows, self.size * columns)

    @_among_peers
    def broadcast(self, x: Tensor) -> Tensor:
        """Rank 0's `x`, in the place of the others', which have its shape and dtype."""
        dist.broadcast(x, 0, group=self._group_of(x))
        return x

    @_among_peers
    def least(self, value: int) -> int:
        values = torch.tensor([value], dtype=torch.int64)
        dist.all_reduce(values, dist.ReduceOp.MIN, group=self._host_group)
        return int(values)

    def _group_of(self, x: Tensor) -> dist.ProcessGroup:
        return self._device_group if x.is_cuda else self._host_group


def _loopback_interface() -> str:
    for name, addresses in psutil.net_if_addrs().items():
        if any(a.family == socket.AF_INET and a.address == "127.0.0.1" for a in addresses):
            return name
    raise RostraError("--tp needs a loopback interface with the address 127.0.0.1 on this host")
