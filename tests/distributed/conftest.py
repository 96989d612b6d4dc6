from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Checkpoints, requests and workers are made as in the tests of those rooms.
TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / room) for room in ("models", "worker", "adapters")]

from rank_processes import RankProcesses  # noqa: E402
from tiny_model import save_tiny_model  # noqa: E402


@pytest.fixture(scope="session")
def ranks() -> Iterator[RankProcesses]:
    with RankProcesses(4) as processes:
        yield processes


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny-model")
    save_tiny_model(path)
    return path
