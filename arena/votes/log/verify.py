"""The log in a store, against its hashes, the rows it records and its checkpoints."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Engine, and_, func, select

from rostra.arena.votes.database import snapshot
from rostra.arena.votes.log.bodies import reasons_body, vote_body
from rostra.arena.votes.log.canonical import plain, timestamp
from rostra.arena.votes.log.chain import HEAD, envelope
from rostra.arena.votes.log.checking import Checker, Verified, difference
from rostra.arena.votes.log.checkpoints import SignedHead, stored_checkpoints
from rostra.arena.votes.log.errors import LogBrokenError
from rostra.arena.votes.log.redacted import REDACTION, is_redacted, with_commitments
from rostra.arena.votes.log.rows import Logged, image_data, logged
from rostra.arena.votes.models import Change, LogEntry, LogHead, Vote, VoteReasons


def verify(
    engine: Engine, public_key: bytes | None = None, held: Iterable[SignedHead] = ()
) -> Verified:
    """Checks the whole log as it is at one moment; votes may be cast meanwhile.

    `public_key` must have signed a checkpoint; `held` are checkpoints that were kept elsewhere.
    Raises `LogBrokenError` at the first entry that does not follow from the one before it, from the
    rows of its battle or from a checkpoint, then for votes and reasons that have no entry. Reads
    some entries at a time.
    """
    with snapshot(engine) as connection:
        checker = Checker(stored_checkpoints(connection), held, public_key)
        redacted: set[str] = set()
        for each in logged(connection):
            entry = each.entry
            columns = (entry.seq, entry.kind, entry.battle_id, timestamp(entry.at))
            body = checker.entry(*columns, entry.body, entry.hash)
            expected = _by_rows(each, body)
            if is_redacted(each.battle):
                redacted.add(entry.battle_id)
            if entry.kind != "reasons":
                _check_images(connection, each)
            if body != expected:
                raise LogBrokenError(
                    difference(body, expected, "the store"), entry.seq, entry.battle_id
                )
        _check_entered(connection, Vote, ("vote", "import"), "vote")
        _check_entered(connection, VoteReasons, ("reasons",), "reasons")
        _check_head(connection, checker)
        _check_recorded(connection, redacted)
        return replace(checker.finish(), redacted=len(redacted))


def _by_rows(found: Logged, body: dict[str, Any]) -> dict[str, Any]:
    """The body as it follows from the rows that the entry records."""
    entry, battle = found.entry, found.battle
    recorded = found.reasons if entry.kind == "reasons" else found.vote
    if battle is None or recorded is None:
        what = "battle" if battle is None else entry.kind
        raise LogBrokenError(f"the store has no such {what}", entry.seq, entry.battle_id)
    if recorded.at != entry.at:
        at = {"at": timestamp(entry.at)}, {"at": timestamp(recorded.at)}
        raise LogBrokenError(difference(*at, "the store"), entry.seq, entry.battle_id)
    if entry.kind == "reasons":
        content = reasons_body(battle.text_salt, recorded)
    else:
        source = body.get("source") if entry.kind == "import" else None
        content = vote_body(
            battle,
            found.turns,
            found.answers,
            recorded,
            source,
            found.images,
            version=body["version"],
        )
    place = (entry.seq, entry.kind, entry.battle_id, entry.at)
    expected = envelope(*place, version=body["version"]) | plain(content)
    if not is_redacted(battle):
        return expected
    texts = (*(turn.prompt for turn in found.turns), *(each.text for each in found.answers))
    if (
        any(texts)
        or any(each.error for each in found.answers)
        or any(each.sha256 for each in found.images)
    ):
        raise LogBrokenError(
            "its texts were taken out, and there are some", entry.seq, entry.battle_id
        )
    return with_commitments(expected, body)


def _check_images(connection: Connection, found: Logged) -> None:
    """Each image is what its hash says, or was taken out."""
    for image in found.images:
        data = image_data(connection, image)
        if image.sha256 != (hashlib.sha256(data).digest() if data else b""):
            raise LogBrokenError(
                f"image {image.number + 1} of its turn {image.turn + 1} is another one in the "
                "store than its hash says",
                found.entry.seq,
                found.entry.battle_id,
            )


def _check_recorded(connection: Connection, redacted: set[str]) -> None:
    """Whoever takes texts out leaves a record of it."""
    recorded = connection.scalars(select(Change.subject).where(Change.action == REDACTION))
    if unrecorded := sorted(redacted - set(recorded)):
        raise LogBrokenError(
            "its texts were taken out, and no change of that kind is recorded",
            battle_id=unrecorded[0],
        )


def _check_entered(
    connection: Connection, table: type[Vote | VoteReasons], kinds: Sequence[str], what: str
) -> None:
    """Each row of `table` has one entry."""
    entries = (
        select(table.battle_id)
        .outerjoin(LogEntry, and_(LogEntry.battle_id == table.battle_id, LogEntry.kind.in_(kinds)))
        .group_by(table.battle_id)
        .having(func.count(LogEntry.seq) != 1)
        .order_by(table.battle_id)
        .add_columns(func.count(LogEntry.seq))
        .limit(1)
    )
    for battle, number in connection.execute(entries):
        raise LogBrokenError(f"its {what} stands in the log {number} times", battle_id=battle)


def _check_head(connection: Connection, checker: Checker) -> None:
    stored = connection.execute(
        select(LogHead.seq, LogHead.hash).where(LogHead.id == HEAD)
    ).one_or_none()
    if stored is None or tuple(stored) != checker.end:
        last = 0 if stored is None else stored.seq
        raise LogBrokenError(
            f"it ends at entry {checker.end[0]:,}, and its head is that of entry {last:,}"
        )
