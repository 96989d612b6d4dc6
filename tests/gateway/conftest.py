from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, gateway_before


@pytest.fixture
async def worker() -> AsyncIterator[ScriptedWorker]:
    async with ScriptedWorker() as started:
        yield started


@pytest.fixture
async def client(worker: ScriptedWorker) -> AsyncIterator[TestClient]:
    async with gateway_before([worker.address]) as client:
        yield client
