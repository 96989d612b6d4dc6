"""The environment that torchrun would give each rank, for ranks that Ray has placed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rostra.mesh.launch.rank import NodePlace


def environments(places: Sequence[NodePlace]) -> list[dict[str, str]]:
    """For each rank in order. Empty for a worker of one rank, whose GPU Ray has chosen already.

    Ranks of one node see all GPUs of that node's ranks, each at its local rank's index, so that
    they can reach each other's memory.
    """
    if len(places) == 1:
        return [{}]
    on_node: dict[str, list[int]] = defaultdict(list)
    for rank, place in enumerate(places):
        on_node[place.node].append(rank)
    found = []
    for rank, place in enumerate(places):
        beside = on_node[place.node]
        environment = {
            "RANK": str(rank),
            "WORLD_SIZE": str(len(places)),
            "LOCAL_RANK": str(beside.index(rank)),
            "LOCAL_WORLD_SIZE": str(len(beside)),
            "MASTER_ADDR": places[0].host,
            "MASTER_PORT": str(places[0].ports[1]),
        }
        gpus = [gpu for other in beside for gpu in places[other].gpus]
        if gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
        found.append(environment)
    return found
