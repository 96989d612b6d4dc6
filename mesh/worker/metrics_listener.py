"""Where Prometheus reads a worker's metrics."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from rostra.mesh.errors import RostraError
from rostra.mesh.supervisor.ports import claim_port, join_address, split_address
from rostra.mesh.worker.metrics import WorkerMetrics


class Listener:
    """Serves GET /metrics over HTTP, and nothing else."""

    def __init__(self, listen: str, metrics: WorkerMetrics) -> None:
        """Raises RostraError for what is no host:port."""
        self._host, self._port = split_address(listen)
        self._metrics = metrics
        app = web.Application()
        app.router.add_get("/metrics", self._render)
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

    async def _render(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
