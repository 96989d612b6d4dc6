"""A Ray cluster of several nodes in this machine, each at a loopback address of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import psutil
from ray.cluster_utils import Cluster

T = TypeVar("T")

OBJECT_STORE_BYTES = 80 * 2**20
"""About the least that Ray takes; nothing is put there."""
HEAD = "127.0.0.2"
# A dead node is known in two seconds, not in half a minute.
QUICK = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 4,
}


def patiently(start: Callable[[], T]) -> T:
    """Ray gives a node 30 seconds to start; a busy machine may need to be asked again."""
    for tries_left in (2, 1, 0):
        before = set(psutil.Process().children(recursive=True))
        try:
            return start()
        except Exception:
            for process in set(psutil.Process().children(recursive=True)) - before:
                process.kill()
            if not tries_left:
                raise
    raise AssertionError


class RayNodes:
    """A head without room for replicas, and nodes with room for one rank each."""

    def __init__(self) -> None:
        self._cluster = patiently(
            lambda: Cluster(
                initialize_head=True,
                head_node_args=self._arguments(HEAD, 0) | {"_system_config": QUICK},
            )
        )
        self._nodes: dict[str, Any] = {}
        self._last = 2

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def have(self, count: int) -> None:
        """Adds nodes until there are so many beside the head."""
        while len(self._nodes) < count:
            host, node = patiently(self._add)
            self._nodes[host] = node

    def kill(self, host: str) -> None:
        """As when its power is cut: SIGKILL for all that Ray runs there."""
        self._cluster.remove_node(self._nodes.pop(host), allow_graceful=False)

    def shutdown(self) -> None:
        self._cluster.shutdown()

    def _add(self) -> tuple[str, Any]:
        self._last += 1
        host = f"127.0.0.{self._last}"
        return host, self._cluster.add_node(**self._arguments(host, 1))

    @staticmethod
    def _arguments(host: str, cpus: int) -> dict[str, Any]:
        return {
            "node_ip_address": host,
            "num_cpus": cpus,
            "num_gpus": 0,
            "object_store_memory": OBJECT_STORE_BYTES,
            "include_dashboard": False,
        }
