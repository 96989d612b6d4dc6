from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from aiohttp.test_utils import TestClient
from conformance_worker import AnsweringWorker
from gateway_harness import gateway_before


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker() -> AsyncIterator[AnsweringWorker]:
    async with AnsweringWorker() as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(worker: AnsweringWorker) -> AsyncIterator[TestClient]:
    async with gateway_before([worker.address]) as client:
        yield client
