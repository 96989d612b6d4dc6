from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiny_model import save_tiny_model

from rostra.mesh.home import Home

if TYPE_CHECKING:
    from ray_nodes import RayNodes


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny-model")
    save_tiny_model(path)
    return path


@pytest.fixture
def own_home(tmp_path: Path) -> Path:
    """With logs of its own, and the kernels that are compiled already."""
    cache = Home.locate().cache
    cache.mkdir(parents=True, exist_ok=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").symlink_to(cache, target_is_directory=True)
    return tmp_path / "home"


@pytest.fixture(scope="session")
def ray_nodes() -> Iterator[RayNodes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("GLOO_SOCKET_IFNAME", "lo")
        patch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
        # Here, since each process of pytest-xdist reads this file, and Ray takes its time.
        from ray_nodes import RayNodes

        nodes = RayNodes()
        try:
            yield nodes
        finally:
            nodes.shutdown()
