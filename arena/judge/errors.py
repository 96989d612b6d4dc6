"""Errors that a person is meant to read."""

from __future__ import annotations

from rostra.arena.errors import ArenaError


class JudgeError(ArenaError):
    """A run that cannot be begun or gone on with. One line: what, where, what to do."""


class NoReplyError(ArenaError):
    """A judge gave no reply, so nothing was paid for.

    `again`: whether the same request may succeed later. `hopeless`: no request to this judge will,
    as with a wrong key. `unfit`: it may be what the request asks for that the server does not
    take.
    """

    def __init__(
        self,
        message: str,
        *,
        again: bool = False,
        hopeless: bool = False,
        unfit: bool = False,
        after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.again = again
        self.hopeless = hopeless
        self.unfit = unfit
        self.after = after
        """Seconds that the server asks to wait."""
