from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import openai
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


@pytest.fixture
async def anthropic_client(client: TestClient) -> AsyncIterator[anthropic.AsyncAnthropic]:
    base_url = str(client.make_url("/"))
    async with anthropic.AsyncAnthropic(
        base_url=base_url, api_key="none", max_retries=0
    ) as official:
        yield official


@pytest.fixture
def base_url(client: TestClient) -> str:
    return str(client.make_url("/v1"))


@pytest.fixture
async def aclient(base_url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        yield client
