"""The chain itself: each entry's hash covers the entry and the hash before it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy.orm import Session

from rostra.arena.votes.log.bodies import VERSION
from rostra.arena.votes.log.canonical import canonical, timestamp
from rostra.arena.votes.models import LogEntry, LogHead

Kind = Literal["vote", "reasons", "import"]
GENESIS = bytes(32)
"""Stands before the first entry."""
HEAD = 1
"""Primary key of the one row of `log_head`."""


def link(previous: bytes, body: str) -> bytes:
    """The hash of an entry with `body` after the entry with the hash `previous`."""
    return hashlib.sha256(previous + body.encode()).digest()


def envelope(seq: int, kind: str, battle_id: str, at: datetime) -> dict[str, Any]:
    """What every body begins with; the columns beside it say the same."""
    return {
        "version": VERSION,
        "seq": seq,
        "kind": kind,
        "battle_id": battle_id,
        "at": timestamp(at),
    }


class Chain:
    """The end of the log, nobody else's until the session's transaction ends.

    Make it as late in a transaction as can be, and after every other lock: all writers wait here.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._head = session.get_one(LogHead, HEAD, with_for_update=True)

    def append(
        self, kind: Kind, battle_id: str, at: datetime, content: Mapping[str, Any]
    ) -> LogEntry:
        """Adds an entry whose body is `content` (of `rostra.arena.votes.log.bodies`) with its
        place, kind, battle and time. It counts when the transaction is committed."""
        seq = self._head.seq + 1
        body = canonical({**envelope(seq, kind, battle_id, at), **content})
        entry = LogEntry(
            seq=seq,
            kind=kind,
            battle_id=battle_id,
            at=at,
            body=body,
            hash=link(self._head.hash, body),
        )
        self._session.add(entry)
        self._head.seq, self._head.hash = seq, entry.hash
        return entry
