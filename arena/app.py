"""The arena's server."""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Callable
from typing import Any

import panel as pn
from bokeh.server.util import bind_sockets
from panel.io.server import Server, get_server
from panel.viewable import Viewable
from tornado.web import RequestHandler

from rostra.arena.access.access import voter_of
from rostra.arena.access.guard import Guard
from rostra.arena.access.serving import server_options
from rostra.arena.errors import ArenaError
from rostra.arena.gateway_client import GatewayClient
from rostra.arena.pages.analyst import AnalystView, analyst
from rostra.arena.pages.battle import BattleView
from rostra.arena.pages.chat import ChatView
from rostra.arena.pages.document import document, fill_in
from rostra.arena.pages.frame import COOKIES, page, session, texts_for
from rostra.arena.pages.leaderboard import LeaderboardView, leaderboard
from rostra.arena.pages.login import login_routes
from rostra.arena.pages.results import Results
from rostra.arena.pages.round_view import RoundView
from rostra.arena.pages.side_by_side import SideBySideView
from rostra.arena.pages.tickets import ForgetTicket, KeepTicket, ResumeTicket
from rostra.arena.settings import ArenaSettings
from rostra.arena.state import Arena
from rostra.arena.votes.log.signer import Signer

__all__ = ["ArenaError", "serve"]


class Health(RequestHandler):
    """Answers while the event loop turns."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("ok\n")


async def serve(
    settings: ArenaSettings, on_ready: Callable[[str], None] = lambda url: None
) -> None:
    """Serves until SIGTERM or SIGINT. `on_ready` is called with the base URL once it listens.

    Raises `ArenaError` when the port is taken or the vote store cannot be opened.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with GatewayClient(
        settings.gateway_url, settings.api_key, settings.answer_timeout
    ) as client:
        arena = await asyncio.to_thread(Arena.open, settings, client)
        try:
            server = _listen(arena)
            server.start()
            working = [asyncio.create_task(arena.refresher.run())]
            if settings.checkpoints is not None:
                signer = await asyncio.to_thread(Signer, settings.votes_url, settings.checkpoints)
                working.append(asyncio.create_task(signer.run()))
            on_ready(f"http://{_authority(settings.host, server.port or 0)}")
            await stop.wait()
            server.unlisten()
            server.stop()
            for work in working:
                work.cancel()
            await asyncio.wait(working)
            await arena.live.close()
        finally:
            await arena.moderation.close()
            for signum in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(signum)
            await asyncio.to_thread(arena.store.close)


def _listen(arena: Arena) -> Server:
    settings = arena.settings
    port = settings.port or _free_port(settings.host)
    local = {_authority(host, port) for host in (settings.host, "localhost", "127.0.0.1")}
    pn.config.reconnect = True
    try:
        return get_server(
            {
                "/": lambda: round_page(arena, "battle", BattleView),
                "/side-by-side": lambda: round_page(arena, "side_by_side", SideBySideView),
                "/chat": lambda: round_page(arena, "chat", ChatView),
                "/leaderboard": lambda: leaderboard_page(arena),
                "/analyst": lambda: analyst_page(arena),
                "/how": lambda: how_page(arena),
            },
            port=port,
            address=settings.host,
            websocket_origin=sorted(local | set(settings.allowed_origins)),
            extra_patterns=[
                ("/health", Health),
                *login_routes(arena),
                (r"/results/(.+)", Results, {"arena": arena}),
                ("/round/keep", KeepTicket, {"claims": arena.claims}),
                ("/round/forget", ForgetTicket, {"claims": arena.claims}),
                ("/round/resume", ResumeTicket, {"claims": arena.claims}),
            ],
            include_cookies=COOKIES,
            auth_provider=Guard(arena.access),
            **server_options(arena.access),
            use_xheaders=settings.behind_proxy,
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


def round_page(arena: Arena, key: str, kind: type[RoundView]) -> Viewable:
    context: Any = session().session_context
    words = texts_for(arena.settings)
    view = kind(arena, voter_of(context.request).key, words, sizing_mode="stretch_both")
    pn.state.on_session_destroyed(lambda _context: view.leave())
    return page(arena.settings, key, view, words.language)


def leaderboard_page(arena: Arena) -> Viewable:
    view = LeaderboardView(sizing_mode="stretch_width", margin=0)

    async def fill() -> None:
        view.html = await leaderboard(arena)

    pn.state.onload(fill)
    return page(arena.settings, "leaderboard", view)


def analyst_page(arena: Arena) -> Viewable:
    view = AnalystView(sizing_mode="stretch_width", margin=0)

    async def fill() -> None:
        view.html = await analyst(arena)

    pn.state.onload(fill)
    return page(arena.settings, "analyst", view)


def how_page(arena: Arena) -> Viewable:
    language = texts_for(arena.settings).language
    return page(arena.settings, "how", document(fill_in(f"how.{language}.html")), language)
