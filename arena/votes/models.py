"""Tables of the vote store."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC; SQLite itself forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    pass


class Battle(Base):
    """Two contestants on their sides, stored before anything of them is shown."""

    __tablename__ = "battles"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    voter: Mapped[str] = mapped_column(String(64))
    """Pseudonym; see `rostra.arena.votes.voters`."""
    token_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    """Of the token that entitles to the one vote; the token itself is not at rest."""
    contestant_a: Mapped[str] = mapped_column(String(200), index=True)
    contestant_b: Mapped[str] = mapped_column(String(200), index=True)
    settings_a: Mapped[dict[str, Any]] = mapped_column(JSON)
    settings_b: Mapped[dict[str, Any]] = mapped_column(JSON)
    failed: Mapped[bool] = mapped_column(default=False)
    """An answer could not be completed, so there is nothing to vote on."""
    identity_revealed: Mapped[bool] = mapped_column(default=False)
    """An answer says who wrote it, so the vote was not blind."""

    turns: Mapped[list[Turn]] = relationship(order_by="Turn.number")
    answers: Mapped[list[Answer]] = relationship(order_by="Answer.turn")
    vote: Mapped[Vote | None] = relationship()


class Turn(Base):
    """A question, put to both sides."""

    __tablename__ = "turns"

    battle_id: Mapped[str] = mapped_column(ForeignKey("battles.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 0."""
    prompt: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Answer(Base):
    """One side's answer to one turn, stored when it has ended, however it ended."""

    __tablename__ = "answers"
    __table_args__ = (
        UniqueConstraint("battle_id", "turn", "side"),
        CheckConstraint("side IN ('a', 'b')", name="answer_side"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    battle_id: Mapped[str] = mapped_column(ForeignKey("battles.id"))
    turn: Mapped[int]
    side: Mapped[str] = mapped_column(String(1))
    text: Mapped[str] = mapped_column(Text)
    finish_reason: Mapped[str | None] = mapped_column(String(32))
    """The gateway's, or `stopped` when the voter stopped it; null when it failed."""
    error: Mapped[str | None] = mapped_column(Text)
    model_revision: Mapped[str | None] = mapped_column(String(200))
    prompt_tokens: Mapped[int | None]
    completion_tokens: Mapped[int | None]
    first_text_seconds: Mapped[float | None] = mapped_column(Double)
    """From the question to the first text."""
    seconds: Mapped[float] = mapped_column(Double)
    """From the question to the end."""
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Vote(Base):
    """The one vote on a battle; its primary key is the battle, so there is no second."""

    __tablename__ = "votes"
    __table_args__ = (
        CheckConstraint("outcome IN ('a', 'b', 'tie', 'both_bad')", name="vote_outcome"),
    )

    battle_id: Mapped[str] = mapped_column(ForeignKey("battles.id"), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(8))
    turns: Mapped[int]
    """How many turns the voter had read."""
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class VoterSalt(Base):
    """The salt of one day's pseudonyms; the day before's is deleted."""

    __tablename__ = "voter_salts"

    day: Mapped[date] = mapped_column(primary_key=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary(32))
