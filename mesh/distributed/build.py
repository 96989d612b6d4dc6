"""From settings and a place to a rank that computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import torch

from rostra.mesh.distributed.channel import Channel
from rostra.mesh.distributed.follower import FollowingSampler, follow
from rostra.mesh.distributed.leader import Leader, LeadingSampler
from rostra.mesh.distributed.parallel import DistributedParallel
from rostra.mesh.distributed.place import Place
from rostra.mesh.embedding.task import choose_task
from rostra.mesh.engine.build import build_runner
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.device import open_device
from rostra.mesh.engine.runner import Runner
from rostra.mesh.engine.sampler import Sampler
from rostra.mesh.errors import RostraError


def build_leader(
    config: EngineConfig,
    place: Place,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    sampler: Sampler | None = None,
) -> tuple[Runner, Leader]:
    """Rank 0's own runner, and the one for the engine, which makes all ranks compute.

    Returns when every rank is ready. Raises RostraError as `build_runner` does, where the host has
    too few GPUs and where the model cannot be divided; and PeerLostError where another rank ends.
    """
    config, parallel = _join(config, place)
    runner = build_runner(
        config,
        on_progress,
        sampler=LeadingSampler(sampler or Sampler(), parallel),
        parallel=parallel,
    )
    parallel.wait()
    return runner, Leader(runner, Channel(parallel))


def run_follower(config: EngineConfig, place: Place) -> NoReturn:
    """Any other rank, until rank 0 ends, which is a PeerLostError. Raises as `build_leader`."""
    config, parallel = _join(config, place)
    runner = build_runner(config, sampler=FollowingSampler(parallel), parallel=parallel)
    parallel.wait()
    follow(runner, Channel(parallel))


def _join(config: EngineConfig, place: Place) -> tuple[EngineConfig, DistributedParallel]:
    choose_task(config)  # refuses a model that no group computes, on every rank alike
    config = place.configure(config)
    if config.device.startswith("cuda") and torch.cuda.device_count() < place.local_size:
        raise RostraError(
            f"--tp needs {place.local_size} CUDA devices on this host, one for each rank, and "
            f"{torch.cuda.device_count()} are visible"
        )
    return config, DistributedParallel(place, open_device(config.device))
