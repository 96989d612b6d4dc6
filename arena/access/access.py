"""Who a request comes from, and whether they may see what they ask for."""

from __future__ import annotations

import logging
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from tornado.web import HTTPError, RequestHandler, create_signed_value, decode_signed_value
from tornado.websocket import WebSocketHandler

from rostra.arena.access import keys
from rostra.arena.access.login import Login
from rostra.arena.access.settings import AccessSettings
from rostra.arena.access.voter import Voter

logger = logging.getLogger(__name__)

Level = Literal["anybody", "voter", "analyst", "admin"]

VOTER_COOKIE = "rostra-voter"
LOGIN_COOKIE = "rostra-login"
VOTER_DAYS = 365
_FOUND = "rostra_voter"
ALWAYS_OPEN = frozenset({"login", "logout", "health", "static"})
"""First parts of paths."""


def voter_of(request: Any) -> Voter:
    """Whom a request comes from: Tornado's, or the one that a session of Panel began with.

    Raises RuntimeError for one that did not go through `Access.identify`.
    """
    found = getattr(request, _FOUND, None)
    if not isinstance(found, Voter):
        raise RuntimeError("a request came by a way that does not ask who it is from")
    return found


class Access:
    """Tells voters apart by cookies of ours, by logins and by keys."""

    def __init__(self, settings: AccessSettings, secret: str) -> None:
        self.settings = settings
        self.secret = secret

    def identify(self, handler: RequestHandler) -> Voter:
        """Whom the handler's request comes from. A browser without a cookie is given one.

        Raises tornado's HTTPError 401 for a key that is none, or has expired.
        """
        request = handler.request
        if getattr(request, _FOUND, None) is None:
            setattr(request, _FOUND, self._identify(handler))
        return voter_of(request)

    def may(self, voter: Voter, level: Level) -> bool:
        return {
            "anybody": True,
            "voter": self.settings.open or voter.name is not None,
            "analyst": voter.analyst or voter.admin,
            "admin": voter.admin,
        }[level]

    def level(self, path: str) -> Level:
        """Whom a path is for. The same below `/c/NAME/`."""
        parts = [part for part in path.split("/") if part]
        if parts[:1] == ["c"]:
            parts = parts[2:]
        first, second = [*parts, "", ""][:2]
        if first in ALWAYS_OPEN:
            return "anybody"
        if first == "admin":
            return "admin"
        if first == "results":
            first = "analyst" if second in ("plot", "beside") else "leaderboard"
        return "analyst" if first in self.settings.guards else "voter"

    def log_in(self, handler: RequestHandler, login: Login) -> None:
        """Sets the cookie of `login`, until it expires."""
        hours = self.settings.session_hours
        handler.set_cookie(
            LOGIN_COOKIE,
            self.sign(LOGIN_COOKIE, login.needed_of(self.settings).dump()),
            expires=datetime.now(UTC) + timedelta(hours=hours),
            **_flags(handler),
        )

    def log_out(self, handler: RequestHandler) -> None:
        handler.clear_cookie(LOGIN_COOKIE)

    def sign(self, name: str, value: str) -> str:
        return create_signed_value(self.secret, name, value).decode()

    def signed(self, handler: RequestHandler, name: str, hours: float) -> str | None:
        """What the cookie says, if we signed it less than `hours` ago."""
        value = decode_signed_value(
            self.secret, name, handler.get_cookie(name, ""), hours / 24, min_version=2
        )
        return None if value is None else value.decode(errors="replace")

    def login_of(self, handler: RequestHandler) -> Login | None:
        """The login of the request's cookie, whatever it lets one do."""
        kept = self.signed(handler, LOGIN_COOKIE, self.settings.session_hours)
        return None if kept is None else Login.load(kept)

    def _identify(self, handler: RequestHandler) -> Voter:
        scheme, _, credentials = handler.request.headers.get("Authorization", "").partition(" ")
        address = handler.request.remote_ip or ""
        if scheme.lower() == "bearer":
            entry = keys.find(credentials.strip(), self.settings.key)
            if entry is None:
                logger.info("refused: a key that is unknown or has expired")
                raise HTTPError(401, reason="This key is unknown or has expired")
            return self._voter(Login.by_key(entry), "", address)
        login = self.login_of(handler)
        return self._voter(login, self._browser(handler), address)

    def _voter(self, login: Login | None, browser: str, address: str) -> Voter:
        grant = login.grant(self.settings) if login is not None else None
        if login is None or grant is None:
            return Voter(f"cookie {browser}", address)
        return Voter(
            login.key or f"cookie {browser}",
            address,
            frozenset(grant.groups),
            login.name,
            grant.analyst,
            grant.admin,
        )

    def _browser(self, handler: RequestHandler) -> str:
        """128 random bits that the browser keeps."""
        browser = self.signed(handler, VOTER_COOKIE, VOTER_DAYS * 24)
        if browser is None:
            browser = secrets.token_hex(16)
            # A socket's answer is the upgrade, and the page it belongs to has set the cookie.
            if not isinstance(handler, WebSocketHandler):
                handler.set_cookie(
                    VOTER_COOKIE,
                    self.sign(VOTER_COOKIE, browser),
                    expires_days=VOTER_DAYS,
                    **_flags(handler),
                )
        return browser


def _flags(handler: RequestHandler) -> dict[str, Any]:
    return {
        "httponly": True,
        "samesite": "Lax",
        "secure": handler.request.protocol == "https",
    }
