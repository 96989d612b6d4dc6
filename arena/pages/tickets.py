"""Keeps a round's ticket in the browser, out of the reach of scripts.

    POST /round/keep    form `claim`, `tab`: puts the claimed ticket into the tab's cookie
    POST /round/forget  form `tab`: removes the tab's cookie
    POST /round/resume  form `tab`: a claim on the ticket in the tab's cookie, or 204 without one

Each tab of a browser has its own round in each mode, and so its own cookie, which is HttpOnly. The
claims go through the page's socket, which knows the session; the cookies come with the request
alone, since a session only knows those of the request that it began with.
"""

from __future__ import annotations

import re

from tornado.web import RequestHandler

from rostra.arena.access.guard import GuardedHandler
from rostra.arena.claims import Claims
from rostra.arena.votes.records import MODES, Ticket

DAYS_KEPT = 1
MOST_TABS = 20
_PREFIX = "rostra-round-"
_TAB = re.compile(rf"(?:{'|'.join(MODES)})-[0-9a-f]{{16}}")
_TICKET = re.compile(r"([0-9a-f]{32})\.([A-Za-z0-9_-]{20,100})")


def ticket_of(handler: RequestHandler, tab: str) -> Ticket | None:
    """The ticket in the tab's cookie, if the request has one."""
    kept = _TICKET.fullmatch(handler.get_cookie(_PREFIX + tab, "") or "")
    return None if kept is None else Ticket(kept[1], kept[2])


class _Handler(GuardedHandler):
    def initialize(self, claims: Claims) -> None:
        self._claims = claims

    def check_xsrf_cookie(self) -> None:
        """A claim is a secret of its page, and the cookie is sent to its own site only."""

    def _tab(self) -> str:
        tab = self.get_body_argument("tab", "")
        if not _TAB.fullmatch(tab):
            self.send_error(400, reason="tab is not a mode and 16 hexadecimal digits")
            return ""
        return tab

    def _cookie_name(self) -> str:
        tab = self._tab()
        return tab and _PREFIX + tab


class KeepTicket(_Handler):
    def post(self) -> None:
        name = self._cookie_name()
        if not name:
            return
        ticket = self._claims.take(self.get_body_argument("claim", ""))
        if ticket is None:
            self.send_error(404, reason="this claim is unknown or was used")
            return
        kept = [cookie for cookie in self.request.cookies if cookie.startswith(_PREFIX)]
        for forgotten in kept[: max(len(kept) - MOST_TABS, 0)]:
            self.clear_cookie(forgotten)
        self.set_cookie(
            name,
            f"{ticket.battle_id}.{ticket.token}",
            expires_days=DAYS_KEPT,
            httponly=True,
            samesite="Strict",
            secure=self.request.protocol == "https",
        )
        self.set_status(204)
        self.finish()


class ForgetTicket(_Handler):
    def post(self) -> None:
        name = self._cookie_name()
        if name:
            self.clear_cookie(name)
            self.set_status(204)
            self.finish()


class ResumeTicket(_Handler):
    def post(self) -> None:
        tab = self._tab()
        if not tab:
            return
        self.set_header("Cache-Control", "no-store")
        ticket = ticket_of(self, tab)
        if ticket is None:
            self.set_status(204)
            self.finish()
            return
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(self._claims.give(ticket))
