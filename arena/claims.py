"""One-time references to tickets, for handing them between a page's socket and its cookies."""

from __future__ import annotations

import secrets
import time

from rostra.arena.votes.records import Ticket

LIFETIME = 60.0
"""Seconds."""


class Claims:
    """Gives a reference for a ticket, and the ticket for the reference, once and soon.

    A page's scripts see the reference only. The ticket is in this process, and in a cookie that
    scripts cannot read.
    """

    def __init__(self) -> None:
        self._tickets: dict[str, tuple[float, Ticket]] = {}

    def give(self, ticket: Ticket) -> str:
        now = time.monotonic()
        # Oldest first, as a dict keeps them.
        while self._tickets and next(iter(self._tickets.values()))[0] < now - LIFETIME:
            del self._tickets[next(iter(self._tickets))]
        reference = secrets.token_urlsafe(16)
        self._tickets[reference] = (now, ticket)
        return reference

    def take(self, reference: str) -> Ticket | None:
        """`None` for one that is unknown, used or too old."""
        given, ticket = self._tickets.pop(reference, (0.0, None))
        return ticket if time.monotonic() - given <= LIFETIME else None
