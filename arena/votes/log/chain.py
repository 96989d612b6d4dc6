"""The chain itself: each entry's hash covers the entry and the hash before it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from sqlalchemy import Connection, bindparam, insert, select, update

from rostra.arena.votes.log.bodies import VERSION
from rostra.arena.votes.log.canonical import canonical, timestamp
from rostra.arena.votes.models import LogEntry, LogHead

Kind = Literal["vote", "reasons", "import"]
GENESIS = bytes(32)
"""Stands before the first entry."""
HEAD = 1
"""Primary key of the one row of `log_head`."""
_ENTRIES: Any = LogEntry.__table__
_HEADS: Any = LogHead.__table__
_END = select(LogHead.seq, LogHead.hash).where(LogHead.id == HEAD).with_for_update()
_MOVE = (
    update(_HEADS).where(_HEADS.c.id == HEAD).values(seq=bindparam("to"), hash=bindparam("hashed"))
)


def link(previous: bytes, body: str) -> bytes:
    """The hash of an entry with `body` after the entry with the hash `previous`."""
    return hashlib.sha256(previous + body.encode()).digest()


def envelope(
    seq: int, kind: str, battle_id: str, at: datetime, version: int = VERSION
) -> dict[str, Any]:
    """What every body begins with; the columns beside it say the same."""
    return {
        "version": version,
        "seq": seq,
        "kind": kind,
        "battle_id": battle_id,
        "at": timestamp(at),
    }


class Chain:
    """The end of the log, nobody else's until the connection's transaction ends.

    Make it as late in a transaction as can be, and after every other lock: all writers wait here.
    What is appended within its `with` is written at the end of that.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._seq, self._hash = connection.execute(_END).one()
        self._entries: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is None and self._entries:
            self._connection.execute(insert(_ENTRIES), self._entries)
            self._connection.execute(_MOVE, {"to": self._seq, "hashed": self._hash})

    def append(self, kind: Kind, battle_id: str, at: datetime, content: Mapping[str, Any]) -> None:
        """Adds an entry whose body is `content` (of `rostra.arena.votes.log.bodies`) with its
        place, kind, battle and time. It counts when the transaction is committed."""
        self._seq += 1
        body = canonical({**envelope(self._seq, kind, battle_id, at), **content})
        self._hash = link(self._hash, body)
        self._entries.append(
            {
                "seq": self._seq,
                "kind": kind,
                "battle_id": battle_id,
                "at": at,
                "body": body,
                "hash": self._hash,
            }
        )
