"""Tables of the vote store."""

from __future__ import annotations

import secrets
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
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


_BIG = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    pass


class Battle(Base):
    """Two contestants on their sides, stored before anything of them is shown; or the one
    contestant of a direct chat, on side `a`."""

    __tablename__ = "battles"
    __table_args__ = (
        CheckConstraint("mode IN ('battle', 'side_by_side', 'direct')", name="battle_mode"),
        CheckConstraint("(mode = 'direct') = (contestant_b IS NULL)", name="battle_contestants"),
        # All that ratings read of a battle, in the order of the votes.
        Index(
            "ix_battles_rated",
            *("id", "mode", "failed", "identity_revealed"),
            *("contestant_a", "contestant_b", "campaign", "voter", "judge"),
        ),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    voter: Mapped[str] = mapped_column(String(64))
    """Pseudonym; see `rostra.arena.votes.voters`."""
    token_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    """Of the token that entitles to the one vote; the token itself is not at rest."""
    campaign: Mapped[str] = mapped_column(String(64), index=True, default="default")
    mode: Mapped[str] = mapped_column(String(16), default="battle")
    """`battle` is blind; see `rostra.arena.votes.records.Mode`."""
    contestant_a: Mapped[str] = mapped_column(String(200), index=True)
    contestant_b: Mapped[str | None] = mapped_column(String(200), index=True)
    settings_a: Mapped[dict[str, Any]] = mapped_column(JSON(none_as_null=True))
    settings_b: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    matchmaking: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """How the pair was drawn: `policy` and `probability`."""
    text_salt: Mapped[bytes] = mapped_column(
        LargeBinary(16), default=lambda: secrets.token_bytes(16)
    )
    """Of the commitments by which the log holds the texts; see `rostra.arena.votes.log`."""
    failed: Mapped[bool] = mapped_column(default=False)
    """The newest answer of a side could not be completed, so there is nothing to vote on."""
    identity_revealed: Mapped[bool] = mapped_column(default=False)
    """An answer says who wrote it, so the vote was not blind."""
    consent_sha256: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    """Of the text that the voter agreed to, in UTF-8, where the campaign has one."""
    voter_groups: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """The operator's names for the kinds of voters this one is of; null where there are none."""

    judge: Mapped[str | None] = mapped_column(String(64))
    """The model that voted, by the operator's name for it; null where a person did."""

    turns: Mapped[list[Turn]] = relationship(order_by="Turn.number")
    images: Mapped[list[TurnImage]] = relationship(order_by="TurnImage.turn, TurnImage.number")
    answers: Mapped[list[Answer]] = relationship(
        order_by="Answer.turn, Answer.side, Answer.attempt"
    )
    vote: Mapped[Vote | None] = relationship()


class Turn(Base):
    """A question, put to both sides."""

    __tablename__ = "turns"

    battle_id: Mapped[str] = mapped_column(ForeignKey("battles.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 0."""
    prompt: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TurnImage(Base):
    """An image that was put to both sides with a question."""

    __tablename__ = "turn_images"

    battle_id: Mapped[str] = mapped_column(ForeignKey("battles.id"), primary_key=True)
    turn: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 0, in the order of the question."""
    media_type: Mapped[str] = mapped_column(String(32))
    """One that `rostra.arena.images.picture.media_type_of` finds."""
    width: Mapped[int]
    """Pixels."""
    height: Mapped[int]
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    """Of the data, by which the log holds it; empty where it was taken out."""
    data: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    """The file."""


class Answer(Base):
    """One side's answer to one turn, stored when it has ended, however it ended."""

    __tablename__ = "answers"
    __table_args__ = (
        UniqueConstraint("battle_id", "turn", "side", "attempt", name="answer_attempt"),
        CheckConstraint("side IN ('a', 'b')", name="answer_side"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    battle_id: Mapped[str] = mapped_column(ForeignKey("battles.id"))
    turn: Mapped[int]
    side: Mapped[str] = mapped_column(String(1))
    attempt: Mapped[int] = mapped_column(default=0)
    """From 0; of several answers to one question the newest counts."""
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
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Vote(Base):
    """The one vote on a battle; its primary key is the battle, so there is no second."""

    __tablename__ = "votes"
    __table_args__ = (
        CheckConstraint("outcome IN ('a', 'b', 'tie', 'both_bad')", name="vote_outcome"),
        # Votes by battle, found in one step.
        {"sqlite_with_rowid": False},
    )

    battle_id: Mapped[str] = mapped_column(ForeignKey("battles.id"), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(8))
    turns: Mapped[int]
    """How many turns the voter had read."""
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)

    reasons: Mapped[VoteReasons | None] = relationship()


class VoteReasons(Base):
    """Why the voter voted so, given after the vote, once."""

    __tablename__ = "vote_reasons"

    battle_id: Mapped[str] = mapped_column(ForeignKey("votes.battle_id"), primary_key=True)
    tags: Mapped[list[str]] = mapped_column(JSON)
    comment: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class BattleTag(Base):
    """What a battle was about, as rules or a model found."""

    __tablename__ = "battle_tags"

    battle_id: Mapped[str] = mapped_column(ForeignKey("battles.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    """`language`, `code`, `maths`, `length`, `multi_turn`, ..."""
    by: Mapped[str] = mapped_column(String(64), primary_key=True)
    """`rules 1`, or the name of a model."""
    value: Mapped[str] = mapped_column(String(64))


class ImportedBattle(Base):
    """Where a battle that was not fought here came from."""

    __tablename__ = "imported_battles"

    battle_id: Mapped[str] = mapped_column(ForeignKey("battles.id"), primary_key=True)
    file: Mapped[str] = mapped_column(String(255))
    """Its name, without folders."""
    form: Mapped[str] = mapped_column(String(16))
    """Of `rostra.arena.votes.transfer.forms`."""
    row: Mapped[int] = mapped_column(_BIG)
    """Counted from 1."""
    original_id: Mapped[str | None] = mapped_column(Text)
    """The vote's id in the file."""
    timed: Mapped[bool]
    """Whether the file says when the vote was cast; otherwise its time is that of the import."""
    extra: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What the file says beyond the columns of the store, under the names it has there."""


class LogEntry(Base):
    """One link of the log, written in the transaction of what it records; never changed."""

    __tablename__ = "log_entries"
    __table_args__ = (
        # A battle has one vote and one set of reasons. Not a foreign key: the log stands alone.
        UniqueConstraint("battle_id", "kind", name="log_entry_once"),
        CheckConstraint("kind IN ('vote', 'reasons', 'import')", name="log_entry_kind"),
    )

    seq: Mapped[int] = mapped_column(_BIG, primary_key=True, autoincrement=False)
    """1, 2, ... without gaps."""
    kind: Mapped[str] = mapped_column(String(16))
    battle_id: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    body: Mapped[str] = mapped_column(Text)
    """Canonical JSON (RFC 8785)."""
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    """SHA-256 of the hash before (32 zero bytes before the first) and the body."""


class LogHead(Base):
    """The end of the log, in the one row that every writer of the log locks."""

    __tablename__ = "log_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Always 1."""
    seq: Mapped[int] = mapped_column(_BIG)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class Checkpoint(Base):
    """The operator's signature under the log as it was."""

    __tablename__ = "checkpoints"

    seq: Mapped[int] = mapped_column(_BIG, primary_key=True, autoincrement=False)
    public_key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    """Ed25519, raw."""
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    signature: Mapped[bytes] = mapped_column(LargeBinary(64))


class VoterSalt(Base):
    """The salt of one day's pseudonyms; the day before's is deleted."""

    __tablename__ = "voter_salts"

    day: Mapped[date] = mapped_column(primary_key=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary(32))


class StoredCampaign(Base):
    """A campaign made on the admin page; those of the configuration file are not here."""

    __tablename__ = "campaigns"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    version: Mapped[int]
    """1, 2, ...; who changes a campaign says which version they saw."""
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PausedContestant(Base):
    """In no battle of the campaign for now."""

    __tablename__ = "paused_contestants"

    campaign: Mapped[str] = mapped_column(String(64), primary_key=True)
    contestant: Mapped[str] = mapped_column(String(200), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class Change(Base):
    """What an admin changed, written in the transaction that changed it; never deleted."""

    __tablename__ = "changes"

    id: Mapped[int] = mapped_column(_BIG, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    who: Mapped[str] = mapped_column(String(200))
    """The admin's login."""
    action: Mapped[str] = mapped_column(String(64))
    """`pause`, `resume`, `create campaign`, ..."""
    subject: Mapped[str] = mapped_column(String(265))
    """A campaign, or a campaign and a contestant of it, between them a slash."""
    before: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    after: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)


class RefusedPrompt(Base):
    """A question that moderation stopped; of its text nothing is kept."""

    __tablename__ = "refused_prompts"

    id: Mapped[int] = mapped_column(_BIG, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    campaign: Mapped[str] = mapped_column(String(64), index=True)
    voter: Mapped[str] = mapped_column(String(64))
    """Pseudonym."""
    rule: Mapped[str] = mapped_column(String(200))
    """Which list or category it fell under."""
