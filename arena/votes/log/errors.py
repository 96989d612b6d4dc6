"""What is wrong with a log."""

from __future__ import annotations

from rostra.arena.errors import ArenaError


class LogBrokenError(ArenaError):
    """The first place at which a log is not what it was: one line with the place, the battle and
    what differs."""

    def __init__(self, what: str, seq: int | None = None, battle_id: str | None = None) -> None:
        place = "the log" if seq is None else f"log entry {seq:,}"
        battle = "" if battle_id is None else f", battle {battle_id}"
        super().__init__(f"{place}{battle}: {what}")
        self.what = what
        self.seq = seq
        self.battle_id = battle_id
