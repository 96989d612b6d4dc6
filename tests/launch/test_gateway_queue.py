"""What waits at the gateway, by its metrics."""

from __future__ import annotations

from aiohttp import web

from rostra.mesh.launch.gateway_queue import METRIC, GatewayQueue, queued_requests

PAGE = f"""# HELP {METRIC} Requests that wait for room at a worker.
# TYPE {METRIC} gauge
{METRIC}{{model="tiny"}} 3.0
{METRIC}{{model="small"}} 2.0
{METRIC}{{model="other"}} 50.0
# TYPE rostra_gateway_requests_in_flight gauge
rostra_gateway_requests_in_flight 77.0
"""


def test_the_names_of_one_worker_are_counted_together():
    assert queued_requests(PAGE, {"tiny", "small"}) == 5
    assert queued_requests(PAGE, {"absent"}) == 0
    assert queued_requests("", {"tiny"}) == 0


async def test_a_gateway_is_asked_and_one_that_is_away_has_no_queue(unused_tcp_port: int):
    queue = GatewayQueue()
    assert await queue.of({"tiny"}) == 0
    queue.url = f"http://127.0.0.1:{unused_tcp_port}"
    assert await queue.of({"tiny"}) == 0

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(text=PAGE)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    try:
        assert await queue.of({"tiny"}) == 3
    finally:
        await runner.cleanup()
        await queue.close()
