"""Real workers, several gateways, conversations of many turns: prompts go where they are cached."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from rostra.gateway.app import create_app
from rostra.gateway.keys import FLEET
from rostra.gateway.settings import GatewaySettings
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.worker.server import Worker, WorkerConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "worker"))
from tiny_model import save_tiny_model

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

WORKERS = 4
CONVERSATIONS = 48
"""At once: each has one request under way from its beginning to its end."""
TURNS = 5
WORDS = 40


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny")
    save_tiny_model(path)
    return path


@asynccontextmanager
async def mesh(model: Path, policy: str) -> AsyncIterator[tuple[list[Worker], list[TestClient]]]:
    """Workers with empty caches, and two gateways before them that share nothing."""
    async with AsyncExitStack() as stack:
        workers, addresses = [], []
        for _ in range(WORKERS):
            engine = EngineConfig(
                model_path=str(model), num_threads=1, num_blocks=4096, max_num_seqs=32
            )
            worker = Worker(
                WorkerConfig(
                    listen="127.0.0.1:0", model_name="tiny", revision="0123", engine=engine
                )
            )
            stack.push_async_callback(worker.stop)
            addresses.append(await worker.start())
            workers.append(worker)
        clients = []
        for _ in range(2):
            settings = GatewaySettings(
                workers=tuple(addresses),
                routing={"policy": policy},
                load_interval=0.05,
                load_timeout=30.0,
            )
            client = TestClient(TestServer(create_app(settings)))
            clients.append(await stack.enter_async_context(client))
            async with asyncio.timeout(60):
                fleet = client.app[FLEET]  # type: ignore[index]
                while not all(link.serving for link in fleet):
                    await asyncio.sleep(0.05)
        yield workers, clients


@dataclass
class Measured:
    queried: int = 0
    hit: int = 0
    answered: int = 0
    finished: list[int] = field(default_factory=list)
    """Requests, by worker."""

    @property
    def hit_rate(self) -> float:
        return self.hit / self.queried

    @property
    def imbalance(self) -> float:
        """Largest share of the requests against an even one."""
        return max(self.finished) * len(self.finished) / sum(self.finished)


async def measure(model: Path, policy: str) -> Measured:
    """Each turn of a conversation goes to a random gateway, as behind a load balancer."""
    rng, measured = random.Random(5), Measured()

    async def talk(clients: list[TestClient], number: int) -> None:
        messages: list[dict[str, str]] = []
        for turn in range(TURNS):
            words = " ".join(f"{number}{turn}{rng.randint(0, 99)}" for _ in range(WORDS))
            messages.append({"role": "user", "content": words})
            body: dict[str, Any] = {
                "model": "tiny",
                "messages": messages,
                "max_tokens": 16,
                "ignore_eos": True,
                "seed": 1,
            }
            response = await rng.choice(clients).post("/v1/chat/completions", json=body)
            answer = await response.json()
            assert response.status == 200, answer
            messages.append({"role": "assistant", "content": "so be it. " * 5})
            measured.answered += 1

    async with mesh(model, policy) as (workers, clients):
        await asyncio.gather(*(talk(clients, number) for number in range(CONVERSATIONS)))
        for worker in workers:
            measured.queried += worker.engine.load.prefix_cache_queried_tokens
            measured.hit += worker.engine.load.prefix_cache_hit_tokens
            measured.finished.append(worker.engine.load.finished_requests)
    return measured


async def test_half_as_many_hits_again_as_round_robin(model: Path) -> None:
    affine = await measure(model, "prefix")
    in_turn = await measure(model, "round_robin")
    assert affine.answered == in_turn.answered == CONVERSATIONS * TURNS
    assert affine.hit_rate >= 1.5 * in_turn.hit_rate, (affine, in_turn)
    assert affine.imbalance < 1.5, affine
