"""The arena's server."""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import panel as pn
from bokeh.server.util import bind_sockets
from panel.io.server import Server, get_server
from tornado.web import RequestHandler

from rostra.arena.access.serving import server_options
from rostra.arena.campaigns.door import Door
from rostra.arena.errors import ArenaError
from rostra.arena.gateway_client import GatewayClient
from rostra.arena.gateway_tls import gateway_tls
from rostra.arena.metrics import metrics_listener
from rostra.arena.pages.admin_requests import admin_routes
from rostra.arena.pages.campaigns import refused
from rostra.arena.pages.compression import CompressedFiles
from rostra.arena.pages.delivery import deliver_all
from rostra.arena.pages.frame import CAMPAIGNS, COOKIES, LINKS, OF_MODES
from rostra.arena.pages.images import image_routes
from rostra.arena.pages.lean import (
    keep_bundles,
    without_busy_count,
    without_diagnostics,
)
from rostra.arena.pages.login import login_routes
from rostra.arena.pages.logos import Logos
from rostra.arena.pages.results import Results
from rostra.arena.pages.site import site
from rostra.arena.pages.tickets import ForgetTicket, KeepTicket, ResumeTicket
from rostra.arena.rendering.code import load_lexers
from rostra.arena.settings import ArenaSettings
from rostra.arena.state import Arena
from rostra.arena.votes.log.signer import Signer

__all__ = ["ArenaError", "serve"]


OF_CAMPAIGN = "(?:/c/([^/]+))?"
"""Before a path that every campaign has."""


class Health(RequestHandler):
    """Answers while the event loop turns."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("ok\n")


async def serve(
    settings: ArenaSettings, on_ready: Callable[[str], None] = lambda url: None
) -> None:
    """Serves until SIGTERM or SIGINT, then takes no new question, lets answers be written for
    `drain_grace` seconds, cuts the rest, and returns. A second signal cuts them at once. `on_ready`
    is called with the base URL once it listens.

    Raises `ArenaError` when the port is taken or the vote store cannot be opened.
    """
    signals: asyncio.Queue[None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, signals.put_nowait, None)
    tls = gateway_tls(settings)
    async with GatewayClient(
        settings.gateway_url, settings.api_key, settings.answer_timeout, tls
    ) as client:
        arena = await asyncio.to_thread(Arena.open, settings, client)
        watched = ExitStack()
        try:
            server = _listen(arena)
            watched.enter_context(metrics_listener(arena))
            server.start()
            working = [
                asyncio.create_task(arena.refresher.run()),
                asyncio.create_task(arena.campaigns.run()),
                asyncio.create_task(arena.image_takers.run()),
                asyncio.create_task(asyncio.to_thread(load_lexers)),
            ]
            if settings.checkpoints is not None:
                signer = await asyncio.to_thread(Signer, settings.votes_url, settings.checkpoints)
                working.append(asyncio.create_task(signer.run()))
            on_ready(f"http://{_authority(settings.host, server.port or 0)}")
            await signals.get()
            server.unlisten()
            arena.limits.leaving = True
            drained = asyncio.create_task(arena.live.drain(settings.drain_grace))
            again = asyncio.create_task(signals.get())
            await asyncio.wait((drained, again), return_when=asyncio.FIRST_COMPLETED)
            working += [drained, again]
            server.stop()
            for work in working:
                work.cancel()
            await asyncio.wait(working)
            await arena.live.close()
        finally:
            watched.close()
            await arena.moderation.close()
            await asyncio.to_thread(arena.figures.close)
            for signum in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(signum)
            await asyncio.to_thread(arena.store.close)


def _listen(arena: Arena) -> Server:
    settings = arena.settings
    port = settings.port or _free_port(settings.host)
    local = {_authority(host, port) for host in (settings.host, "localhost", "127.0.0.1")}
    pn.config.reconnect = True
    pn.config.browser_info = False
    keep_bundles()
    deliver_all()
    without_diagnostics()
    without_busy_count()
    try:
        return get_server(
            site(arena),
            port=port,
            address=settings.host,
            websocket_origin=sorted(local | set(settings.allowed_origins)),
            extra_patterns=[
                ("/health", Health),
                *login_routes(arena),
                *admin_routes(arena),
                *image_routes(arena),
                (rf"{OF_CAMPAIGN}/results/(.+)", Results, {"arena": arena}),
                (rf"{OF_CAMPAIGN}/logo", Logos, {"arena": arena}),
                ("/round/keep", KeepTicket, {"claims": arena.claims}),
                ("/round/forget", ForgetTicket, {"claims": arena.claims}),
                ("/round/resume", ResumeTicket, {"claims": arena.claims}),
            ],
            # Models that nothing here asks anything of.
            location=False,
            include_cookies=COOKIES,
            **server_options(arena.access),
            auth_provider=Door(
                arena.access,
                arena.campaigns,
                {path: OF_MODES.get(key) for key, path in LINKS.items()},
                CAMPAIGNS,
                partial(refused, arena),
            ),
            use_xheaders=settings.behind_proxy,
            transforms=[CompressedFiles],
            unused_session_lifetime_milliseconds=round(settings.unused_session_lifetime * 1000),
            check_unused_sessions_milliseconds=1000,
        )
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
            raise
        raise ArenaError(
            f"cannot listen on {_authority(settings.host, port)}: {error.strerror}; "
            "choose another host or port"
        ) from None


def _free_port(host: str) -> int:
    sockets, port = bind_sockets(host, 0)
    for socket in sockets:
        socket.close()
    return int(port)


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
