"""Votes as they leave the store: some at a time, of one moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, cast

from sqlalchemy import Connection, Row, select

from rostra.arena.tags.precedence import preferred
from rostra.arena.votes.log.redacted import is_redacted
from rostra.arena.votes.log.rows import Logged, logged
from rostra.arena.votes.models import Answer, BattleTag, ImportedBattle
from rostra.arena.votes.stored import newest

CHUNK = 200


@dataclass(frozen=True)
class Filter:
    campaigns: tuple[str, ...] = ()
    """None: all."""
    since: datetime | None = None
    """With time zone. Votes cast at this time or later."""
    until: datetime | None = None
    """Votes cast before this time."""

    def takes(self, found: Logged) -> bool:
        """An entry belongs to its battle's vote, so reasons go where their vote goes."""
        if found.battle is None or found.vote is None:
            return False
        return (
            (not self.campaigns or found.battle.campaign in self.campaigns)
            and (self.since is None or found.vote.at >= self.since)
            and (self.until is None or found.vote.at < self.until)
        )

    @property
    def everything(self) -> bool:
        return self == Filter()


@dataclass(frozen=True)
class Voted:
    """A vote with its battle, or the reasons that came after it."""

    logged: Logged
    tags: dict[str, str]
    """By name, each from whom it is believed most; see `rostra.arena.tags.precedence`."""
    imported: Row[Any] | None

    @property
    def id(self) -> str:
        """As the file said that it came from, if it said."""
        if self.imported is not None and self.imported.original_id is not None:
            return str(self.imported.original_id)
        return str(self.battle.id)

    @property
    def turns(self) -> Sequence[Any]:
        """Those that the voter had read; none where the texts were taken out."""
        if is_redacted(self.battle):
            return ()
        return [turn for turn in self.logged.turns if turn.number < self.vote.turns]

    @property
    def battle(self) -> Any:
        return self.logged.battle

    @property
    def vote(self) -> Any:
        return self.logged.vote

    @property
    def extra(self) -> dict[str, Any]:
        return (self.imported and self.imported.extra) or {}

    @property
    def at(self) -> datetime | None:
        """When the vote was cast, if that is known."""
        known = self.imported is None or self.imported.timed
        return self.vote.at if known else None

    def answers(self, side: str) -> list[Any]:
        """The newest answer to each question that the voter had read, None for none."""
        # Rows, which have the attributes of answers.
        answers = cast("Sequence[Answer]", self.logged.answers)
        found = {each.turn: each for each in newest(answers) if each.side == side}
        return [found.get(turn.number) for turn in self.turns]


def entries(connection: Connection, wanted: Filter) -> Iterator[Voted]:
    """Entries of the log with their battles, in its order."""
    found = (each for each in logged(connection) if wanted.takes(each))
    while part := list(islice(found, CHUNK)):
        ids = list({each.entry.battle_id for each in part})
        tags = _tags(connection, ids)
        rows = select(ImportedBattle.__table__).where(ImportedBattle.battle_id.in_(ids))
        imported = {row.battle_id: row for row in connection.execute(rows)}
        for each in part:
            battle = each.entry.battle_id
            yield Voted(each, tags.get(battle, {}), imported.get(battle))


def votes(connection: Connection, wanted: Filter) -> Iterator[Voted]:
    """Without the entries that are not votes."""
    return (each for each in entries(connection, wanted) if each.logged.entry.kind != "reasons")


def _tags(connection: Connection, ids: Iterable[str]) -> dict[str, dict[str, str]]:
    rows = select(BattleTag.__table__).where(BattleTag.battle_id.in_(list(ids)))
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(rows):
        found.setdefault(row.battle_id, []).append(row)
    return {
        battle: preferred((row.name, row.by, row.value) for row in rows)
        for battle, rows in found.items()
    }
