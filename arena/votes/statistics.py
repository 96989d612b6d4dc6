"""What is in a vote store, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, func, select

from rostra.arena.votes.database import snapshot
from rostra.arena.votes.log.chain import HEAD
from rostra.arena.votes.log.checkpoints import SignedHead, stored_checkpoints
from rostra.arena.votes.models import Battle, LogHead, Vote, VoteReasons
from rostra.arena.votes.records import OUTCOMES


@dataclass(frozen=True)
class ContestantVotes:
    battles: int
    votes: int
    won: int
    tied: int
    both_bad: int

    @property
    def lost(self) -> int:
        return self.votes - self.won - self.tied - self.both_bad


@dataclass(frozen=True)
class VoteStatistics:
    """Of one moment. Votes of every mode, those that are not rated too."""

    battles: dict[str, int]
    """By mode."""
    failed: int
    votes: dict[str, int]
    """By outcome."""
    rated: int
    """Votes on unnamed pairs whose answers gave no name away."""
    revealed: int
    """Votes that were not blind because an answer says who wrote it."""
    with_reasons: int
    days: dict[str, int]
    """Votes by day (UTC), the newest first."""
    campaigns: dict[str, tuple[int, int]]
    """Battles and votes."""
    contestants: dict[str, ContestantVotes]
    """By name."""
    log_seq: int
    log_head: bytes
    signed: SignedHead | None
    """The last checkpoint."""

    @classmethod
    def of(cls, engine: Engine) -> VoteStatistics:
        with snapshot(engine) as connection:
            head = connection.execute(
                select(LogHead.seq, LogHead.hash).where(LogHead.id == HEAD)
            ).one()
            checkpoints = stored_checkpoints(connection)
            outcomes = _counts(connection, Vote, Vote.outcome)
            blind = Battle.mode == "battle"
            revealed = _count(connection, blind, Battle.identity_revealed)
            return cls(
                battles=_counts(connection, Battle, Battle.mode),
                failed=sum(_counts(connection, Battle, Battle.failed, Battle.failed).values()),
                votes={outcome: outcomes.get(outcome, 0) for outcome in OUTCOMES},
                rated=_count(connection, blind) - revealed,
                revealed=revealed,
                with_reasons=connection.scalar(select(func.count()).select_from(VoteReasons)) or 0,
                days=_by_day(connection),
                campaigns=_by_campaign(connection),
                contestants=_by_contestant(connection),
                log_seq=head.seq,
                log_head=head.hash,
                signed=checkpoints[-1] if checkpoints else None,
            )


def _counts(
    connection: Connection,
    table: type[Battle | Vote],
    key: ColumnElement[Any] | Any,
    *where: Any,
) -> dict[Any, int]:
    rows = select(key, func.count()).select_from(table).where(*where).group_by(key).order_by(key)
    return {row[0]: row[1] for row in connection.execute(rows)}


def _count(connection: Connection, *where: Any) -> int:
    """Votes on battles."""
    return connection.scalar(select(func.count()).select_from(Vote).join(Battle).where(*where)) or 0


def _by_day(connection: Connection) -> dict[str, int]:
    utc = func.timezone("UTC", Vote.at) if connection.dialect.name == "postgresql" else Vote.at
    days = _counts(connection, Vote, func.date(utc))
    return {str(day): count for day, count in sorted(days.items(), reverse=True)}


def _by_campaign(connection: Connection) -> dict[str, tuple[int, int]]:
    rows = (
        select(Battle.campaign, func.count(), func.count(Vote.battle_id))
        .outerjoin(Vote)
        .group_by(Battle.campaign)
        .order_by(Battle.campaign)
    )
    return {campaign: (battles, votes) for campaign, battles, votes in connection.execute(rows)}


def _by_contestant(connection: Connection) -> dict[str, ContestantVotes]:
    found: dict[str, Counter[str]] = {}
    for side, name in (("a", Battle.contestant_a), ("b", Battle.contestant_b)):
        rows = (
            select(name, Vote.outcome, func.count())
            .select_from(Battle)
            .outerjoin(Vote)
            .where(name.is_not(None))
            .group_by(name, Vote.outcome)
        )
        for contestant, outcome, count in connection.execute(rows):
            counts = found.setdefault(str(contestant), Counter())
            counts["battles"] += count
            if outcome is not None:
                counts["votes"] += count
                counts["won" if outcome == side else outcome] += count
    return {
        name: ContestantVotes(
            counts["battles"], counts["votes"], counts["won"], counts["tie"], counts["both_bad"]
        )
        for name, counts in sorted(found.items())
    }
