"""Runs a gateway until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from rostra.gateway.app import create_app
from rostra.gateway.connections import Runner
from rostra.gateway.errors import GatewayError
from rostra.gateway.exposure import check_exposure
from rostra.gateway.https import ServerTls
from rostra.gateway.keys import DISPATCHER, METRICS
from rostra.gateway.settings import GatewaySettings
from rostra.gateway.tracing import Tracing

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LAST_WORDS = 5.0
"""Seconds for answers that were ended to reach their clients."""


def run(
    settings: GatewaySettings,
    on_ready: Callable[[str], None] | None = None,
    tracing: Tracing | None = None,
) -> None:
    """`serve`, on uvloop: with asyncio's own loop a token costs the gateway half as much again.
    There is none for Windows."""
    loop_factory = None
    if sys.platform != "win32":
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(serve(settings, on_ready, tracing))


def make_runner(app: web.Application, settings: GatewaySettings) -> web.AppRunner:
    runner = Runner(
        app,
        handler_cancellation=True,
        access_log=None,
        keepalive_timeout=settings.idle_timeout,
        shutdown_timeout=settings.drain_grace + _LAST_WORDS,
    )
    app[METRICS].watch_connections(runner)
    return runner


async def serve(
    settings: GatewaySettings,
    on_ready: Callable[[str], None] | None = None,
    tracing: Tracing | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then drains: is not ready for `drain_delay` seconds and
    serves on, then accepts nothing new, lets what runs finish for `drain_grace` seconds, ends the
    rest with an error each, and returns. A second signal ends the rest at once.

    `on_ready` gets the URL once connections are accepted. Raises GatewayError when the address
    cannot, or must not, be listened on.
    """
    check_exposure(settings)
    tls = ServerTls.of(settings)
    app = create_app(settings, tracing=tracing)
    runner = make_runner(app, settings)
    stop, at_once = _on_signals(app)
    following: asyncio.Task[None] | None = None
    try:
        await runner.setup()
        url = await _listen(runner, settings, tls)
        following = asyncio.create_task(tls.run()) if tls is not None else None
        logger.info("gateway listens on %s", url)
        if on_ready is not None:
            on_ready(url)
        await stop.wait()
        app[DISPATCHER].draining = True
        if settings.drain_delay:
            logger.info("gateway is not ready any more, and stops in %g s", settings.drain_delay)
            with suppress(TimeoutError):
                await asyncio.wait_for(at_once.wait(), settings.drain_delay)
        logger.info("gateway stops; what runs has %g s to finish", settings.drain_grace)
        loop = asyncio.get_running_loop()
        loop.call_later(settings.drain_grace, app[DISPATCHER].end_all)
    finally:
        if following is not None:
            following.cancel()
        await runner.cleanup()
        for number in _SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)


def _on_signals(app: web.Application) -> tuple[asyncio.Event, asyncio.Event]:
    """Events that the first and the second signal set; each but the first ends what still runs."""
    stop, at_once = asyncio.Event(), asyncio.Event()

    def received() -> None:
        if stop.is_set():
            app[DISPATCHER].end_all()
            at_once.set()
        stop.set()

    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, received)
    return stop, at_once


async def _listen(runner: web.AppRunner, settings: GatewaySettings, tls: ServerTls | None) -> str:
    where = f"{settings.host}:{settings.port}"
    try:
        context = None if tls is None else tls.context
        await web.TCPSite(runner, settings.host, settings.port, ssl_context=context).start()
    except socket.gaierror:
        raise GatewayError(
            f"cannot listen on {where}: {settings.host} is no address of this host; "
            "choose another host"
        ) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = "the port is in use; stop what uses it or choose another port"
        else:
            problem = f"{error.strerror}; choose another host or port"
        raise GatewayError(f"cannot listen on {where}: {problem}") from None
    host, port = runner.addresses[0][:2]
    return (
        f"{settings.scheme}://[{host}]:{port}"
        if ":" in host
        else f"{settings.scheme}://{host}:{port}"
    )
