"""The login: one page for passwords, keys and accounts of elsewhere, and out again."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Any

from tornado.web import HTTPError, RequestHandler

from rostra.arena.access.access import Access
from rostra.arena.access.accounts import Accounts, Attempt
from rostra.arena.access.endpoints import LoginFailedError
from rostra.arena.access.guard import DiscreetHandler
from rostra.arena.access.keys import find
from rostra.arena.access.limits import Limits
from rostra.arena.access.login import Login
from rostra.arena.access.passwords import matches
from rostra.arena.access.settings import SharedPassword
from rostra.arena.access.targets import safe
from rostra.arena.access.voter import Voter
from rostra.arena.errors import ToldVoterError
from rostra.arena.pages.frame import LANGUAGE_COOKIE, THEME_COOKIE
from rostra.arena.pages.templates import fill_in, source
from rostra.arena.ratings.plots.assets import TOKENS_CSS
from rostra.arena.state import Arena
from rostra.arena.texts import Texts, texts
from rostra.arena.texts.choice import choose

logger = logging.getLogger(__name__)

ATTEMPT_COOKIE = "rostra-login-attempt"
ATTEMPT_HOURS = 0.25
CALLBACK = "/login/callback"
LONGEST_SECRET = 1000
"""Characters of what is typed into the form."""
STYLE = TOKENS_CSS + source("login.css")


def login_routes(arena: Arena) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """`/login`, `/login/account`, `/login/callback`, `/logout`."""
    shared = {"arena": arena, "trying": asyncio.Semaphore(2)}
    routes: list[tuple[str, type[RequestHandler], dict[str, Any]]] = [
        ("/login", LoginPage, shared),
        ("/logout", Logout, shared),
    ]
    if arena.settings.access.oauth is not None:
        routes += [("/login/account", ToAccount, shared), (CALLBACK, FromAccount, shared)]
    return routes


class _Handler(DiscreetHandler):
    def initialize(self, arena: Arena, trying: asyncio.Semaphore) -> None:
        self._arena = arena
        self._trying = trying

    def prepare(self) -> None:
        self._access.identify(self)

    @property
    def _access(self) -> Access:
        return self._arena.access

    @property
    def _limits(self) -> Limits:
        return self._arena.limits

    @property
    def _voter(self) -> Voter:
        return self._access.identify(self)

    @property
    def _texts(self) -> Texts:
        header = self.request.headers.get("Accept-Language", "")
        chosen = self.get_cookie(LANGUAGE_COOKIE)
        return texts(choose(chosen, self._arena.settings.language, header))

    @property
    def _next(self) -> str:
        return safe(self.get_argument("next", ""))

    def set_cookie(self, name: str, value: str | bytes, *given: Any, **flags: Any) -> None:
        secure = self.request.protocol == "https"
        flags = {"httponly": True, "samesite": "Lax", "secure": secure, **flags}
        super().set_cookie(name, value, *given, **flags)

    def _show(self, error: str = "", status: int = 200) -> None:
        settings, words, voter = self._access.settings, self._texts, self._voter
        nonce = secrets.token_urlsafe(16)
        theme = self.get_cookie(THEME_COOKIE, "")
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header(
            "Content-Security-Policy",
            f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; base-uri 'none'; "
            "form-action 'self'; frame-ancestors 'none'",
        )
        self.finish(
            fill_in(
                "login.html",
                words=words,
                title=words("login.title" if voter.name is None else "nav.account"),
                brand=self._arena.settings.title,
                theme=theme if theme in ("light", "dark") else "",
                style=STYLE,
                nonce=nonce,
                error=error,
                voter=voter,
                groups=", ".join(sorted(voter.groups)),
                settings=settings,
                provider=settings.oauth.shown if settings.oauth else "",
                next=self._next,
                xsrf=self.xsrf_token.decode(),
            )
        )

    def _refuse(self, line: str, text: str, status: int = 403) -> None:
        """`line`: for the log, without the address and whatever was typed."""
        logger.info("refused: %s", line)
        self._show(text, status)

    def _enter(self, login: Login, target: str) -> None:
        self._access.log_in(self, login)
        logger.info("a login by %s", login.way)
        self.redirect(target, status=303)

    def write_error(self, status_code: int, **details: Any) -> None:
        error = details.get("exc_info", (None, None))[1]
        if status_code == 403 and isinstance(error, HTTPError):
            # Of the token against forged requests: the form is older than its cookie.
            self._refuse("a form without its token", self._texts("login.expired"))
        else:
            super().write_error(status_code, **details)


class LoginPage(_Handler):
    def get(self) -> None:
        if self._voter.name is not None and self.get_query_argument("refused", ""):
            self._show(self._texts("login.forbidden"), 403)
        else:
            self._show()

    async def post(self) -> None:
        words = self._texts
        try:
            self._limits.check("login", self._voter, words)
        except ToldVoterError as error:
            return self._refuse("too many attempts to log in", str(error), 429)
        typed = {name: self.get_body_argument(name, "") for name in ("password", "key")}
        if any(len(value) > LONGEST_SECRET for value in typed.values()):
            return self._refuse("a form that is too long", words("login.wrong_password"), 400)
        if typed["key"]:
            key = find(typed["key"].strip(), self._access.settings.key)
            if key is None:
                return self._refuse("a key that is not one", words("login.wrong_key"))
            return self._enter(Login.by_key(key), self._next)
        password = await self._password(typed["password"])
        if password is None:
            return self._refuse("a wrong password", words("login.wrong_password"))
        return self._enter(Login.by_password(password), self._next)

    async def _password(self, typed: str) -> SharedPassword | None:
        """All are tried, whichever it is."""
        found = None
        async with self._trying:
            for entry in self._access.settings.password:
                if await asyncio.to_thread(matches, typed, entry.hash):
                    found = entry
        return found


class Logout(_Handler):
    def post(self) -> None:
        self._access.log_out(self)
        self.redirect("/", status=303)


class _Account(_Handler):
    def prepare(self) -> None:
        super().prepare()
        oauth = self._access.settings.oauth
        assert oauth is not None
        self._oauth = oauth
        self._accounts = Accounts(oauth)

    @property
    def _redirect_uri(self) -> str:
        return self._oauth.redirect_uri or (
            f"{self.request.protocol}://{self.request.host}{CALLBACK}"
        )

    def _spoilt(self, error: LoginFailedError) -> None:
        self._refuse(
            f"a login elsewhere: {error}",
            self._texts("login.provider_failed", provider=self._oauth.shown),
            502,
        )


class ToAccount(_Account):
    async def get(self) -> None:
        try:
            self._limits.check("login", self._voter, self._texts)
            url, attempt = await self._accounts.begin(self._redirect_uri, self._next)
        except ToldVoterError as error:
            return self._refuse("too many attempts to log in", str(error), 429)
        except LoginFailedError as error:
            return self._spoilt(error)
        self.set_cookie(
            ATTEMPT_COOKIE,
            self._access.sign(ATTEMPT_COOKIE, attempt.dump()),
            max_age=round(ATTEMPT_HOURS * 3600),
            path="/login",
        )
        return self.redirect(url)


class FromAccount(_Account):
    async def get(self) -> None:
        words = self._texts
        kept = self._access.signed(self, ATTEMPT_COOKIE, ATTEMPT_HOURS)
        self.clear_cookie(ATTEMPT_COOKIE, path="/login")
        if kept is None:
            return self._refuse("a login elsewhere that nobody began", words("login.expired"))
        if self.get_query_argument("error", None) is not None:
            told = words("login.cancelled", provider=self._oauth.shown)
            return self._refuse("a login elsewhere that the provider ended", told)
        attempt = Attempt.load(kept)
        try:
            login = await self._accounts.finish(
                attempt,
                self.get_query_argument("state", ""),
                self.get_query_argument("code", ""),
                self._redirect_uri,
            )
        except LoginFailedError as error:
            return self._spoilt(error)
        if login.grant(self._access.settings) is None:
            return self._refuse("an account that no rule lets in", words("login.not_allowed"))
        return self._enter(login, safe(attempt.next))
