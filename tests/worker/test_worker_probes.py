"""The health of a worker for who speaks HTTP alone."""

from __future__ import annotations

import aiohttp

from rostra.mesh.worker.health import WorkerHealth
from rostra.mesh.worker.metrics import WorkerMetrics
from rostra.mesh.worker.metrics_listener import Listener


async def test_ready_is_what_the_health_by_grpc_says() -> None:
    health = WorkerHealth()
    listener = Listener("127.0.0.1:0", WorkerMetrics("tiny"), lambda: health.serving)
    url = (await listener.start()).removesuffix("/metrics")
    await health.start()
    try:
        async with aiohttp.ClientSession() as session:

            async def status(path: str) -> int:
                async with session.get(f"{url}{path}") as answer:
                    return answer.status

            assert (await status("/health"), await status("/ready")) == (200, 503)
            health.set_able(True)
            assert (await status("/health"), await status("/ready")) == (200, 200)
            await health.drain()
            assert (await status("/health"), await status("/ready")) == (200, 503)
    finally:
        await health.stop()
        await listener.stop()
