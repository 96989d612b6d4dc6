"""Prefix affinity with real workers: what it finds in their caches, and how evenly it loads them.

    python -m benchmarks.routing_served --save --label cpu

Four workers of a tiny model, two gateways that share nothing, and conversations of several turns,
each turn of which goes to a random gateway. There are always as many conversations under way: one
that ends makes room for another. What is measured begins when caches are filled and conversations
are at different turns, and ends before the first client leaves.

`hit_rate` is the part of prompt tokens that workers found cached; `imbalance` is the greatest
number of requests at a worker over the mean one, ten times a second. `least_load` looks at nothing
else, so its imbalance is what there is to reach with as many requests and reports of this age.
Moments with fewer than `_ENOUGH` requests a worker do not count: one request alone is an imbalance
of as many as there are workers, wherever it went.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp.test_utils import TestClient, TestServer

from benchmarks.results import Row, add_output_options, report
from benchmarks.tiny_model import save_tiny_model
from rostra.gateway.app import create_app
from rostra.gateway.keys import FLEET
from rostra.gateway.settings import GatewaySettings
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.worker.server import Worker, WorkerConfig

POLICIES = ("round_robin", "least_load", "prefix")
TURNS = (2, 8)
"""The least and the most of a conversation."""
WORDS = 40
"""Of a turn's question, some 8 tokens each here."""
_LOOK_SECONDS = 0.1
_ENOUGH = 2.0


@dataclass(frozen=True)
class Load:
    workers: int = 4
    gateways: int = 2
    clients: int = 48
    warm_up: int = 192
    """Requests that end before those that are measured."""
    requests: int = 480
    """That are measured."""
    max_tokens: int = 128
    """Of an answer. Short ones spend their time in this process, not at workers."""
    load_interval: float = 0.5
    """Seconds between reports of a worker to a gateway."""


@dataclass
class Measured:
    requests: int = 0
    queried_tokens: int = 0
    hit_tokens: int = 0
    loads: list[float] = field(default_factory=list)
    """Requests of a worker in the mean, by moment."""
    imbalances: list[float] = field(default_factory=list)

    @property
    def hit_rate(self) -> float:
        return self.hit_tokens / self.queried_tokens

    @property
    def imbalance_p99(self) -> float:
        return float(np.quantile(self.imbalances, 0.99))

    def row(self) -> Row:
        return {
            "requests": self.requests,
            "mean_load": float(np.mean(self.loads)),
            "hit_rate": self.hit_rate,
            "imbalance_p50": float(np.quantile(self.imbalances, 0.5)),
            "imbalance_p99": self.imbalance_p99,
            "moments": len(self.imbalances),
        }


@asynccontextmanager
async def mesh(
    model: Path, policy: str, load: Load
) -> AsyncIterator[tuple[list[Worker], list[TestClient[Any, Any]]]]:
    """Workers with empty caches, and gateways before them."""
    async with AsyncExitStack() as stack:
        engine = EngineConfig(
            model_path=str(model), num_threads=1, num_blocks=4096, max_num_seqs=32
        )
        config = WorkerConfig(
            listen="127.0.0.1:0", model_name="tiny", revision="0123", engine=engine
        )
        workers = [Worker(config) for _ in range(load.workers)]
        for worker in workers:
            stack.push_async_callback(worker.stop)
        addresses = await asyncio.gather(*(worker.start() for worker in workers))
        clients: list[TestClient[Any, Any]] = []
        for _ in range(load.gateways):
            settings = GatewaySettings(
                workers=tuple(addresses),
                routing={"policy": policy},
                load_interval=load.load_interval,
                load_timeout=30.0,
            )
            client = TestClient(TestServer(create_app(settings)))
            clients.append(await stack.enter_async_context(client))
            async with asyncio.timeout(60):
                fleet = client.app[FLEET]
                while not all(link.serving for link in fleet):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        yield workers, clients


class _Clients:
    def __init__(self, gateways: Sequence[TestClient[Any, Any]], load: Load) -> None:
        self.answered = 0
        self._max_tokens = load.max_tokens
        self._gateways = gateways
        self._leaving = False
        self._tasks = [asyncio.create_task(self._run(number)) for number in range(load.clients)]

    async def leave(self) -> None:
        """Each after the answer that it waits for."""
        self._leaving = True
        await asyncio.gather(*self._tasks)

    async def wait_for(self, answered: int) -> None:
        """Returns when so many requests were answered in all. Raises what a client met."""
        while self.answered < answered:
            for task in self._tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.02)

    async def _run(self, number: int) -> None:
        rng = random.Random(number)
        while not self._leaving:
            messages: list[dict[str, str]] = []
            for _ in range(rng.randint(*TURNS)):
                if self._leaving:
                    break
                words = " ".join(f"{rng.randrange(10**6):06d}" for _ in range(WORDS))
                messages.append({"role": "user", "content": words})
                await self._ask(rng, messages)
                messages.append({"role": "assistant", "content": "so be it. " * 5})

    async def _ask(self, rng: random.Random, messages: list[dict[str, str]]) -> None:
        body = {
            "model": "tiny",
            "messages": messages,
            "max_tokens": self._max_tokens,
            "ignore_eos": True,
            "seed": 1,
        }
        response = await rng.choice(self._gateways).post("/v1/chat/completions", json=body)
        answer = await response.json()
        if response.status != 200:
            raise RuntimeError(f"HTTP {response.status}: {answer}")
        self.answered += 1


def _tokens(workers: Sequence[Worker]) -> tuple[int, int]:
    """Of prompts, and those of them that were cached."""
    loads = [worker.engine.load for worker in workers]
    return (
        sum(load.prefix_cache_queried_tokens for load in loads),
        sum(load.prefix_cache_hit_tokens for load in loads),
    )


async def _look(workers: Sequence[Worker], measured: Measured) -> None:
    while True:
        loads = [worker.engine.load for worker in workers]
        pending = [load.running_requests + load.waiting_requests for load in loads]
        if (mean := sum(pending) / len(pending)) >= _ENOUGH:
            measured.loads.append(mean)
            measured.imbalances.append(max(pending) / mean)
        await asyncio.sleep(_LOOK_SECONDS)


async def measure(model: Path, policy: str, load: Load) -> Measured:
    """`model`: a folder of `save_tiny_model`."""
    measured = Measured(requests=load.requests)
    async with mesh(model, policy, load) as (workers, gateways):
        clients = _Clients(gateways, load)
        await clients.wait_for(load.warm_up)
        queried, hit = _tokens(workers)
        looking = asyncio.create_task(_look(workers, measured))
        await clients.wait_for(load.warm_up + load.requests)
        looking.cancel()
        queried_then, hit_then = _tokens(workers)
        measured.queried_tokens, measured.hit_tokens = queried_then - queried, hit_then - hit
        await clients.leave()
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    usual = Load()
    parser.add_argument("--workers", type=int, default=usual.workers)
    parser.add_argument("--gateways", type=int, default=usual.gateways)
    parser.add_argument("--clients", type=int, default=usual.clients, help="conversations at once")
    parser.add_argument("--warm-up", type=int, default=usual.warm_up, help="requests")
    parser.add_argument("--requests", type=int, default=usual.requests, help="that are measured")
    parser.add_argument("--max-tokens", type=int, default=usual.max_tokens, help="of an answer")
    parser.add_argument("--load-interval", type=float, default=usual.load_interval, help="seconds")
    add_output_options(parser)
    args = parser.parse_args()
    load = Load(**{name: getattr(args, name) for name in usual.__dataclass_fields__})
    with tempfile.TemporaryDirectory(prefix="routing-") as folder:
        model = Path(folder) / "model"
        save_tiny_model(model)
        rows: list[Row] = [
            {"policy": policy, **asyncio.run(measure(model, policy, load)).row()}
            for policy in POLICIES
        ]
    for row in rows:
        row["hit_rate_of_round_robin"] = row["hit_rate"] / rows[0]["hit_rate"]
        row["imbalance_p99_of_least_load"] = row["imbalance_p99"] / rows[1]["imbalance_p99"]
    report(args, "routing_served", rows)


if __name__ == "__main__":
    main()
