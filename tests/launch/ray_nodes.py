"""A Ray cluster of several nodes in this machine, each at a loopback address of its own."""

from __future__ import annotations

from typing import Any

from ray.cluster_utils import Cluster

OBJECT_STORE_BYTES = 80 * 2**20
"""About the least that Ray takes; nothing is put there."""
HEAD = "127.0.0.2"
# A dead node is known in two seconds, not in half a minute.
QUICK = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 4,
}


class RayNodes:
    """A head without room for replicas, and nodes with room for one rank each."""

    def __init__(self) -> None:
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args=self._arguments(HEAD, 0) | {"_system_config": QUICK},
        )
        self._nodes: dict[str, Any] = {}
        self._last = 2

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def have(self, count: int) -> None:
        """Adds nodes until there are so many beside the head."""
        while len(self._nodes) < count:
            self._last += 1
            host = f"127.0.0.{self._last}"
            self._nodes[host] = self._cluster.add_node(**self._arguments(host, 1))

    def kill(self, host: str) -> None:
        """As when its power is cut: SIGKILL for all that Ray runs there."""
        self._cluster.remove_node(self._nodes.pop(host), allow_graceful=False)

    def shutdown(self) -> None:
        self._cluster.shutdown()

    @staticmethod
    def _arguments(host: str, cpus: int) -> dict[str, Any]:
        return {
            "node_ip_address": host,
            "num_cpus": cpus,
            "num_gpus": 0,
            "object_store_memory": OBJECT_STORE_BYTES,
            "include_dashboard": False,
        }
