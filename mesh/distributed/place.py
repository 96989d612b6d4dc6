"""Where a process stands in its group, and how it finds the others."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.errors import RostraError

PEER_LOST = 75
"""Exit code of a rank that ends because another one has: it has nothing more to say."""

_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


class PeerLostError(Exception):
    """Another rank of the group has ended, so this one cannot go on."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One rank of a tensor-parallel group. Alone, unless told otherwise."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Among the ranks of this host."""
    local_size: int = 1
    """Ranks of this host, which share its cores and its memory."""
    meeting_file: str | None = None
    """Where the ranks of one host find each other: a path in a folder that nobody else can read.
    None: at the address that torchrun put into the environment."""

    def configure(self, config: EngineConfig) -> EngineConfig:
        """Settings of this rank: a GPU of its own.

        Raises RostraError where `config` names one GPU for several ranks.
        """
        kind, _, index = config.device.partition(":")
        if self.size == 1 or kind != "cuda":
            return config
        if index:
            raise RostraError(
                f"--device {config.device} is one GPU for {self.size} ranks: with --tp give "
                "--device cuda, and each rank of a host takes the GPU of its own number"
            )
        return msgspec.structs.replace(config, device=f"cuda:{self.local_rank}")


def place_from_torchrun(
    tensor_parallel_size: int, environment: Mapping[str, str] = os.environ
) -> Place | None:
    """The place that torchrun gave this process; None where it was not started so.

    Raises RostraError where torchrun started another number of processes than there are ranks.
    """
    if any(name not in environment for name in _TORCHRUN):
        return None
    rank, size, local_rank = (int(environment[name]) for name in _TORCHRUN[:3])
    if size != tensor_parallel_size:
        raise RostraError(
            f"torchrun starts {size} processes, and there are {tensor_parallel_size} ranks: "
            f"give --tp {size}, or start {tensor_parallel_size} processes"
        )
    if size == 1:
        return None
    return Place(
        rank=rank,
        size=size,
        local_rank=local_rank,
        local_size=int(environment.get("LOCAL_WORLD_SIZE", "1")),
    )
