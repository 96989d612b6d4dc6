from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rank_processes import RankProcesses
from tiny_model import save_tiny_model


@pytest.fixture(scope="session")
def ranks() -> Iterator[RankProcesses]:
    with RankProcesses(4) as processes:
        yield processes


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny-model")
    save_tiny_model(path)
    return path
