"""Battles, turns, answers, votes and voter salts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "battles",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("voter", sa.String(64), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("contestant_a", sa.String(200), nullable=False, index=True),
        sa.Column("contestant_b", sa.String(200), nullable=False, index=True),
        sa.Column("settings_a", sa.JSON(), nullable=False),
        sa.Column("settings_b", sa.JSON(), nullable=False),
        sa.Column("failed", sa.Boolean(), nullable=False),
        sa.Column("identity_revealed", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "turns",
        sa.Column("battle_id", sa.String(32), sa.ForeignKey("battles.id"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "answers",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("battle_id", sa.String(32), sa.ForeignKey("battles.id"), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("side", sa.String(1), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("finish_reason", sa.String(32)),
        sa.Column("error", sa.Text()),
        sa.Column("model_revision", sa.String(200)),
        sa.Column("prompt_tokens", sa.Integer()),
        sa.Column("completion_tokens", sa.Integer()),
        sa.Column("first_text_seconds", sa.Double()),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("battle_id", "turn", "side"),
        sa.CheckConstraint("side IN ('a', 'b')", name="answer_side"),
    )
    op.create_table(
        "votes",
        sa.Column("battle_id", sa.String(32), sa.ForeignKey("battles.id"), primary_key=True),
        sa.Column("outcome", sa.String(8), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.CheckConstraint("outcome IN ('a', 'b', 'tie', 'both_bad')", name="vote_outcome"),
    )
    op.create_table(
        "voter_salts",
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("salt", sa.LargeBinary(32), nullable=False),
    )
