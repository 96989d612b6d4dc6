"""What a launcher has to know of one `[[worker]]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rostra.mesh.launch.settings import ReplicaSettings


@dataclass(frozen=True)
class WorkerSpec:
    name: str
    """Of the process; replicas have it with a number."""
    models: frozenset[str]
    """The names that requests use."""
    table: dict[str, Any]
    """The `[[worker]]` itself, without `listen` and `replicas`."""
    environment: dict[str, str]
    """Of its processes, beside their node's own."""
    ranks: int
    max_running: int
    """Requests that it runs at once when nothing else limits it."""
    drain_grace: float
    """Seconds."""
    gpus_per_rank: float
    replicas: ReplicaSettings

    def bundle(self) -> dict[str, float]:
        """What Ray reserves for one rank."""
        asked = {"CPU": self.replicas.cpus, "GPU": self.gpus_per_rank, **self.replicas.resources}
        # A reservation of nothing is refused by Ray, and so is an empty one.
        return {name: amount for name, amount in asked.items() if amount} or {"CPU": 0.001}
