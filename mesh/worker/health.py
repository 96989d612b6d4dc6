"""`grpc.health.v1` for one worker."""

from __future__ import annotations

import asyncio

from grpc_health.v1 import health, health_pb2

INFERENCE = "rostra.v1.Inference"
CONTROL = "rostra.v1.Control"

Status = health_pb2.HealthCheckResponse


class WorkerHealth:
    """Serving while the engine is able and no drain has begun.

    `Control` answers in every state, so that an operator can ask what is wrong.
    """

    def __init__(self) -> None:
        self.servicer = health.aio.HealthServicer()  # type: ignore[attr-defined] # not in the stubs
        self._able = False
        self._draining = False
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def serving(self) -> bool:
        return self._able and not self._draining

    async def start(self) -> None:
        await self._publish()
        await self.servicer.set(CONTROL, Status.SERVING)
        self._task = asyncio.create_task(self._keep_publishing(), name="health")

    def set_able(self, able: bool) -> None:
        self._able = able
        self._changed.set()

    async def drain(self) -> None:
        """Returns once callers are told NOT_SERVING. There is no way back."""
        self._draining = True
        await self._publish()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.servicer.enter_graceful_shutdown()

    async def _keep_publishing(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._publish()

    async def _publish(self) -> None:
        status = Status.SERVING if self.serving else Status.NOT_SERVING
        for service in (health.OVERALL_HEALTH, INFERENCE):
            await self.servicer.set(service, status)
