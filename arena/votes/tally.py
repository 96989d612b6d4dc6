"""How many votes there are of a kind, kept up by the log."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence

from sqlalchemy import ColumnElement, Connection, func, select

from rostra.arena.votes.models import Battle, LogEntry, LogHead, Vote

MOST = 256
"""Kinds that are kept."""


class Tally:
    """Counts those alone that came since it was asked last: what a vote was on does not change once
    it is in the log."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()
        """By kind: the entry of the log up to which was counted, and the votes."""
        self._lock = threading.Lock()

    def count(
        self, connection: Connection, kind: Hashable, wanted: Sequence[ColumnElement[bool]]
    ) -> int:
        """Votes on battles that are as `wanted`, which `kind` stands for. `connection` reads the
        store as it is at one moment."""
        head = connection.scalar(select(LogHead.seq)) or 0
        with self._lock:
            seq, votes = self._known.get(kind, (0, 0))
        if head > seq:
            rows = select(func.count()).select_from(Vote).join(Battle).where(*wanted)
            if seq:
                # Not Vote: the few entries after a number are found in one step.
                rows = select(func.count()).select_from(LogEntry).where(*wanted)
                rows = rows.join(Battle, Battle.id == LogEntry.battle_id)
                rows = rows.where(LogEntry.seq > seq, LogEntry.kind != "reasons")
            votes = (votes if seq else 0) + (connection.scalar(rows) or 0)
            with self._lock:
                self._known[kind] = (head, votes)
                self._known.move_to_end(kind)
                while len(self._known) > MOST:
                    self._known.popitem(last=False)
        return votes
