"""Our own JSON lines: the log, verifiable without the store; see `rostra.arena.votes.log.lines`.

Beside what an entry has there, a line of a vote may have

    voter      the pseudonym as this export shows it; the body only commits to the stored one
    groups     of the voter, where it shows the voter; the body only commits to them
    tags       {name: value}, those that count
    imported   {"file", "form", "row", "original_id", "timed", "extra"} of an imported battle

`extra` is left out without the texts. A part of a log (by campaign or time) has a header with
`part`, `{"campaigns", "since", "until"}`, and cannot be verified: its chain has gaps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, select

from rostra.arena.votes.log.chain import GENESIS, HEAD
from rostra.arena.votes.log.checkpoints import stored_checkpoints
from rostra.arena.votes.log.lines import checkpoint_line, entry_line, header_line
from rostra.arena.votes.models import LogEntry, LogHead
from rostra.arena.votes.transfer.reading import Filter, Voted, entries

IMPORTED = ("file", "form", "row", "original_id", "timed", "extra")


def own_lines(
    connection: Connection,
    wanted: Filter,
    shown: Callable[[Voted], str | None],
    counted: Callable[[Voted], None],
    *,
    texts: bool,
) -> Iterator[dict[str, Any]]:
    """`shown`: the pseudonym to write. `counted` is told of each vote."""
    head = connection.execute(select(LogHead.seq, LogHead.hash).where(LogHead.id == HEAD)).one()
    first = connection.scalar(select(LogEntry.hash).order_by(LogEntry.seq).limit(1))
    header = header_line(first, head.seq, head.hash if head.seq else GENESIS)
    yield header if wanted.everything else {**header, "part": _part(wanted)}
    for found in entries(connection, wanted):
        line = entry_line(connection, found.logged, with_texts=texts)
        if found.logged.entry.kind != "reasons":
            counted(found)
            line |= _beside(found, shown(found), texts)
        yield line
    if wanted.everything:
        for checkpoint in stored_checkpoints(connection):
            yield checkpoint_line(checkpoint)


def _part(wanted: Filter) -> dict[str, Any]:
    return {
        "campaigns": list(wanted.campaigns),
        "since": wanted.since and wanted.since.isoformat(),
        "until": wanted.until and wanted.until.isoformat(),
    }


def _beside(found: Voted, voter: str | None, texts: bool) -> dict[str, Any]:
    line: dict[str, Any] = {}
    if voter is not None:
        line["voter"] = voter
        if found.battle.voter_groups:
            line["groups"] = found.battle.voter_groups
    if found.tags:
        line["tags"] = found.tags
    if found.imported is not None:
        names = [name for name in IMPORTED if texts or name != "extra"]
        line["imported"] = {name: getattr(found.imported, name) for name in names}
    return line
