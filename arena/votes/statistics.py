"""What is in a vote store, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, func, select

from rostra.arena.votes.database import snapshot
from rostra.arena.votes.log.chain import HEAD
from rostra.arena.votes.log.checkpoints import SignedHead, stored_checkpoints
from rostra.arena.votes.models import Battle, LogHead, Vote
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
    """People's votes on unnamed pairs whose answers gave no name away."""
    judged: int
    """Verdicts of models on such pairs, which are not among `rated`."""
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
    def of(cls, engine: Engine, campaigns: Sequence[str] = ()) -> VoteStatistics:
        """Of `campaigns`, none for all; the log is always all of it."""
        chosen = [Battle.campaign.in_(campaigns)] if campaigns else []
        with snapshot(engine) as connection:
            head = connection.execute(
                select(LogHead.seq, LogHead.hash).where(LogHead.id == HEAD)
            ).one()
            checkpoints = stored_checkpoints(connection)
            asked = _Asked(connection, chosen)
            outcomes = asked.votes_by(Vote.outcome)
            blind = Battle.mode == "battle"
            revealed = asked.votes(blind, Battle.identity_revealed)
            judged = asked.votes(
                blind, Battle.identity_revealed.is_(False), Battle.judge.is_not(None)
            )
            return cls(
                battles=asked.battles_by(Battle.mode),
                failed=asked.battles_by(Battle.failed).get(True, 0),
                votes={outcome: outcomes.get(outcome, 0) for outcome in OUTCOMES},
                rated=asked.votes(blind) - revealed - judged,
                judged=judged,
                revealed=revealed,
                with_reasons=asked.votes(Vote.reasons.has()),
                days=asked.days(),
                campaigns=asked.campaigns(),
                contestants=asked.contestants(),
                log_seq=head.seq,
                log_head=head.hash,
                signed=checkpoints[-1] if checkpoints else None,
            )


@dataclass(frozen=True)
class _Asked:
    """Counts of the battles that were `chosen`, and of votes on them."""

    connection: Connection
    chosen: Sequence[ColumnElement[bool]]

    def battles_by(self, key: Any) -> dict[Any, int]:
        return self._counts(select(key, func.count()).select_from(Battle), key)

    def votes_by(self, key: Any) -> dict[Any, int]:
        return self._counts(select(key, func.count()).select_from(Vote).join(Battle), key)

    def votes(self, *where: Any) -> int:
        rows = select(func.count()).select_from(Vote).join(Battle).where(*self.chosen, *where)
        return self.connection.scalar(rows) or 0

    def days(self) -> dict[str, int]:
        postgresql = self.connection.dialect.name == "postgresql"
        days = self.votes_by(func.date(func.timezone("UTC", Vote.at) if postgresql else Vote.at))
        return {str(day): count for day, count in sorted(days.items(), reverse=True)}

    def campaigns(self) -> dict[str, tuple[int, int]]:
        rows = (
            select(Battle.campaign, func.count(), func.count(Vote.battle_id))
            .outerjoin(Vote)
            .where(*self.chosen)
            .group_by(Battle.campaign)
            .order_by(Battle.campaign)
        )
        found = self.connection.execute(rows)
        return {campaign: (battles, votes) for campaign, battles, votes in found}

    def contestants(self) -> dict[str, ContestantVotes]:
        found: dict[str, Counter[str]] = {}
        for side, name in (("a", Battle.contestant_a), ("b", Battle.contestant_b)):
            rows = (
                select(name, Vote.outcome, func.count())
                .select_from(Battle)
                .outerjoin(Vote)
                .where(name.is_not(None), *self.chosen)
                .group_by(name, Vote.outcome)
            )
            for contestant, outcome, count in self.connection.execute(rows):
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

    def _counts(self, rows: Select[Any], key: Any) -> dict[Any, int]:
        grouped = rows.where(*self.chosen).group_by(key).order_by(key)
        return {row[0]: row[1] for row in self.connection.execute(grouped)}
