from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tiny_model import save_tiny_model
from worker_harness import Service, eventually, running, tiny_config


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny-model")
    save_tiny_model(path)
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_service(tiny_model: Path) -> AsyncIterator[Service]:
    async with running(tiny_config(tiny_model)) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="session")
async def service(shared_service: Service) -> AsyncIterator[Service]:
    """A worker that every test leaves as it found it: able, and with nothing running."""
    yield shared_service
    await eventually(shared_service.idle)
    assert await shared_service.serving()
