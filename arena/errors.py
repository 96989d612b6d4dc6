"""Errors of the arena that a person is meant to read."""

from __future__ import annotations


class ArenaError(Exception):
    """Something the operator can mend. One line: what is wrong, where, what to do."""


class VoteRefusedError(ArenaError):
    """A vote that cannot be counted. The line is written for the voter and names no contestant."""


class ToldVoterError(ArenaError):
    """What a voter asked for cannot be. The line is for the voter, in the voter's language."""


class AnswerError(ArenaError):
    """The gateway gave no complete answer.

    The line is for the operator's log and the store. It may name a model, so it is never shown to
    a voter.
    """


class GatewayUnreachableError(AnswerError):
    """No connection to the gateway, or it was lost."""


class GatewayRefusedError(AnswerError):
    """The gateway answered with an error instead of a completion.

    `status` is the HTTP status, or `None` for an error event inside a stream.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class AnswerBrokenError(AnswerError):
    """The stream ended before its end was announced, or was not what the API promises."""


class AnswerTimeoutError(AnswerError):
    """The answer did not end within the time allowed for it."""
