"""What the server is told so that nobody comes in another way, and no log says who came."""

from __future__ import annotations

import hashlib
import hmac
import logging
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from rostra.arena.access.access import Access
from rostra.arena.access.guard import ACCESS

logger = logging.getLogger("rostra.arena.http")

XSRF_COOKIE = "rostra-xsrf"
TOLD_HEADERS = ["Accept-Language"]
"""What a session is told of. Its token is in the page for every script to read: with all headers,
it would hold the cookies that scripts cannot read, and keys."""


def server_options(access: Access) -> dict[str, Any]:
    """Of `panel.io.server.get_server`, beside a `Guard` as its `auth_provider`: ids of sessions are
    signed, and a request that changes something carries a token against forgery."""
    _name_nobody_in_errors()
    return {
        ACCESS: access,
        "sign_sessions": True,
        "secret_key": hmac.new(access.secret.encode(), b"sessions", hashlib.sha256).digest(),
        "include_headers": TOLD_HEADERS,
        "xsrf_cookies": True,
        "xsrf_cookie_name": XSRF_COOKIE,
        "xsrf_cookie_kwargs": {"httponly": True, "samesite": "Lax"},
        "log_function": log_request,
    }


def log_request(handler: RequestHandler) -> None:
    """As Tornado does, without the address and the query, which can hold codes of logins."""
    status = handler.get_status()
    level = logging.DEBUG if status < 400 else logging.WARNING if status < 500 else logging.ERROR
    request = handler.request
    milliseconds = 1000 * request.request_time()
    logger.log(level, "%d %s %s %.2fms", status, request.method, request.path, milliseconds)


def _name_nobody_in_errors() -> None:
    """Has Tornado tell an error by its method and path, where it would give the address and the
    query: a socket with a forged token is one."""
    setattr(RequestHandler, "_request_summary", lambda handler: _asked(handler.request))  # noqa: B010
    setattr(HTTPServerRequest, "__repr__", _asked)  # noqa: B010


def _asked(request: HTTPServerRequest) -> str:
    return f"{request.method} {request.path}"
