"""Asks at each door of the server who comes in: pages, their sockets, what they fetch."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from bokeh.protocol.exceptions import ProtocolError
from bokeh.server.auth_provider import AuthProvider
from bokeh.server.views.ws import WSHandler
from bokeh.util.token import get_session_id
from tornado.web import HTTPError, RequestHandler

from rostra.arena.access.access import Access, voter_of
from rostra.arena.access.voter import Voter

logger = logging.getLogger(__name__)

LOGIN_PATH = "/login"
ACCESS = "rostra_access"
"""Of the server's settings, where handlers find it."""


class Guard(AuthProvider):
    """Of pages of Panel. Whoever may not see one is sent to the login; their sockets are refused
    before the handshake."""

    def __init__(self, access: Access) -> None:
        self._access = access
        super().__init__()

    @property
    def get_user_async(self) -> Callable[[Any], Awaitable[Any]]:
        async def get_user(handler: RequestHandler) -> Voter | None:
            return admit(self._access, handler)

        return get_user

    @property
    def login_url(self) -> str:
        return LOGIN_PATH


class DiscreetHandler(RequestHandler):
    """Whose errors are logged as Tornado does, without the address and the query."""

    def log_exception(self, kind: Any, value: Any, trace: Any) -> None:
        request = f"{self.request.method} {self.request.path}"
        if not isinstance(value, HTTPError):
            logger.error("%s failed", request, exc_info=(kind, value, trace))
        elif value.log_message:
            logger.info("refused: %s: %s", request, value.log_message)


class GuardedHandler(DiscreetHandler):
    """What pages fetch. Belongs to whoever sees the page."""

    def prepare(self) -> None:
        admit(self.settings[ACCESS], self, sends_to_login=False)


def admit(access: Access, handler: RequestHandler, *, sends_to_login: bool = True) -> Voter | None:
    """Whom the request comes from. `None`: they were refused, and all has been said."""
    voter = access.identify(handler)
    path = handler.request.path
    level = access.level(path)
    socket = isinstance(handler, WSHandler)
    taken = isinstance(handler, WSHandler) and _of_another(handler, voter)
    if access.may(voter, level) and not taken:
        return voter
    page = path.removesuffix("/ws")
    logger.info("refused: %s %s", "the socket of" if socket else "the page", page)
    if socket:
        return None
    if sends_to_login and access.settings.has_logins:
        # Whoever has logged in is told that it was as the wrong person.
        why = {} if voter.name is None else {"refused": "1"}
        handler.redirect(f"{LOGIN_PATH}?{urlencode({'next': handler.request.uri, **why})}")
        return None
    handler.set_status(403)
    handler.set_header("Content-Type", "text/plain; charset=utf-8")
    handler.finish("You may not see this: log in as somebody who may.\n")
    return None


def _of_another(handler: WSHandler, voter: Voter) -> bool:
    """Whether the session that a socket asks for was begun by somebody else, who had logged in."""
    _, _, token = handler.request.headers.get("Sec-WebSocket-Protocol", "").partition(",")
    try:
        session = handler.application_context.get_session(get_session_id(token.strip()))
    except (ProtocolError, ValueError, KeyError, TypeError):
        # The handshake checks the token; without a session there is nobody's to take.
        return False
    context: Any = session.document.session_context
    owner = voter_of(context.request)
    return owner.name is not None and owner.key != voter.key
