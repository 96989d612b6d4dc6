"""Where Prometheus reads a worker's metrics, and probes that speak no gRPC its health."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from rostra.mesh.errors import RostraError
from rostra.mesh.supervisor.ports import claim_port, join_address, split_address
from rostra.mesh.worker.metrics import WorkerMetrics


class Listener:
    """Serves GET /metrics, /health and /ready over HTTP, and nothing else."""

    def __init__(self, listen: str, metrics: WorkerMetrics, ready: Callable[[], bool]) -> None:
        """`ready`: whether the worker takes requests. Raises RostraError for what is no
        host:port."""
        self._host, self._port = split_address(listen)
        self._metrics = metrics
        app = web.Application()
        app.router.add_get("/metrics", self._render)
        app.router.add_get("/health", self._health)
        app.router.add_get("/ready", self._tell_ready)
        self._ready = ready
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> str:
        """Returns the URL. Raises RostraError for an address that cannot be had."""
        if self._port:
            claim_port(self._host, self._port, "the worker", "--metrics")
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            where = join_address(self._host, self._port)
            raise RostraError(
                f"the worker cannot offer metrics on {where} ({error.strerror}): "
                "choose another with --metrics"
            ) from error
        host, port = self._runner.addresses[0][:2]
        return f"http://{join_address(host, port)}/metrics"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _health(self, request: web.Request) -> web.Response:
        """200 as long as the process is alive."""
        return web.json_response({"status": "alive"})

    async def _tell_ready(self, request: web.Request) -> web.Response:
        """200 where gRPC's health says SERVING, else 503."""
        ready = self._ready()
        return web.json_response(
            {"status": "ready" if ready else "not ready"}, status=200 if ready else 503
        )

    async def _render(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
