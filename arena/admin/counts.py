"""Votes counted by the database: how many, when, on what, by whom."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, select

from rostra.arena.tags.precedence import NAMES
from rostra.arena.votes.log.chain import HEAD
from rostra.arena.votes.models import Battle, LogHead, RefusedPrompt, Vote
from rostra.arena.votes.records import OUTCOMES
from rostra.arena.votes.tag_columns import tag_column

MOST_VOTERS = 20
"""Those with the most votes."""


@dataclass(frozen=True)
class Totals:
    battles: int
    battles_today: int
    """Since midnight, UTC."""
    votes: int
    votes_today: int
    refused_today: int
    """Questions that moderation stopped."""
    log_seq: int


@dataclass(frozen=True)
class VoterCount:
    voter: str
    """Pseudonym, which is another one on another day."""
    votes: int
    outcomes: dict[str, int]
    last: datetime


@dataclass(frozen=True)
class Refused:
    rule: str
    campaign: str
    number: int
    voters: int
    """Pseudonyms."""
    last: datetime


@dataclass(frozen=True)
class Breakdown:
    """Votes of a time, by what can be told of them."""

    votes: int
    days: dict[str, int]
    """UTC, the newest first."""
    campaigns: dict[str, int]
    modes: dict[str, int]
    outcomes: dict[str, int]
    tags: dict[str, dict[str, int]]
    """By name of the tag, votes by its value; "" where it is not known."""
    num_voters: int
    """Pseudonyms."""
    voters: tuple[VoterCount, ...]
    refused: tuple[Refused, ...]


def midnight(now: datetime) -> datetime:
    return datetime.combine(now.astimezone(UTC).date(), time(), UTC)


def since(now: datetime, days: int) -> datetime | None:
    """The beginning of the last `days` days, today among them; `None` for 0, which is all."""
    return midnight(now) - timedelta(days - 1) if days else None


_PEOPLES = Battle.judge.is_(None)


def totals(connection: Connection, now: datetime) -> Totals:
    today = midnight(now)

    def number(rows: Select[Any]) -> int:
        return connection.scalar(rows) or 0

    count = select(func.count())
    return Totals(
        battles=number(count.select_from(Battle)),
        battles_today=number(count.where(Battle.created_at >= today)),
        votes=number(count.select_from(Vote).join(Battle).where(_PEOPLES)),
        votes_today=number(count.select_from(Vote).join(Battle).where(_PEOPLES, Vote.at >= today)),
        refused_today=number(count.where(RefusedPrompt.at >= today)),
        log_seq=number(select(LogHead.seq).where(LogHead.id == HEAD)),
    )


def breakdown(connection: Connection, start: datetime | None) -> Breakdown:
    """Of people's votes since `start`, of every mode, those that are not rated too."""
    within: list[ColumnElement[bool]] = [_PEOPLES]
    if start is not None:
        within.append(Vote.at >= start)
    utc = func.timezone("UTC", Vote.at) if connection.dialect.name == "postgresql" else Vote.at
    keys = (func.date(utc), Battle.campaign, Battle.mode, Vote.outcome)
    by: tuple[Counter[str], ...] = tuple(Counter() for _ in keys)
    rows = select(*keys, func.count()).select_from(Vote).join(Battle).where(*within).group_by(*keys)
    for *values, count in connection.execute(rows):
        for counts, value in zip(by, values, strict=True):
            counts[str(value)] += count
    days, campaigns, modes, outcomes = by
    return Breakdown(
        votes=days.total(),
        days=dict(sorted(days.items(), reverse=True)),
        campaigns=dict(campaigns.most_common()),
        modes=dict(modes.most_common()),
        outcomes={outcome: outcomes[outcome] for outcome in OUTCOMES},
        tags=_tags(connection, within),
        num_voters=_num_voters(connection, within),
        voters=_voters(connection, within),
        refused=_refused(connection, start),
    )


def _tags(connection: Connection, within: list[ColumnElement[bool]]) -> dict[str, dict[str, int]]:
    tagged = (
        select(*(tag_column(name).label(name) for name in NAMES))
        .select_from(Battle)
        .join(Vote)
        .where(*within)
        .subquery()
    )
    by: dict[str, Counter[str]] = {name: Counter() for name in NAMES}
    rows = select(*tagged.c, func.count()).group_by(*tagged.c)
    for *values, count in connection.execute(rows):
        for name, value in zip(NAMES, values, strict=True):
            by[name][value or ""] += count
    return {name: dict(counts.most_common()) for name, counts in by.items()}


def _num_voters(connection: Connection, within: list[ColumnElement[bool]]) -> int:
    rows = select(func.count(Battle.voter.distinct())).select_from(Vote).join(Battle)
    return connection.scalar(rows.where(*within)) or 0


def _voters(connection: Connection, within: list[ColumnElement[bool]]) -> tuple[VoterCount, ...]:
    number = func.count()
    rows = (
        select(
            Battle.voter,
            number,
            func.max(Vote.at),
            *(func.sum(case((Vote.outcome == outcome, 1), else_=0)) for outcome in OUTCOMES),
        )
        .select_from(Vote)
        .join(Battle)
        .where(*within)
        .group_by(Battle.voter)
        .order_by(number.desc(), Battle.voter)
        .limit(MOST_VOTERS)
    )
    return tuple(
        VoterCount(voter, votes, dict(zip(OUTCOMES, map(int, outcomes), strict=True)), last)
        for voter, votes, last, *outcomes in connection.execute(rows)
    )


def _refused(connection: Connection, start: datetime | None) -> tuple[Refused, ...]:
    number = func.count()
    keys = (RefusedPrompt.rule, RefusedPrompt.campaign)
    rows = (
        select(
            *keys, number, func.count(RefusedPrompt.voter.distinct()), func.max(RefusedPrompt.at)
        )
        .where(*([] if start is None else [RefusedPrompt.at >= start]))
        .group_by(*keys)
        .order_by(number.desc(), *keys)
    )
    return tuple(Refused(*row) for row in connection.execute(rows))
