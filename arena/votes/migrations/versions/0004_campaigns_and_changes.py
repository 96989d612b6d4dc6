"""Campaigns, what admins change, and questions that were not let through."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("battles", sa.Column("consent_sha256", sa.LargeBinary(32)))
    op.add_column("battles", sa.Column("voter_groups", sa.JSON()))
    op.create_table(
        "campaigns",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "paused_contestants",
        sa.Column("campaign", sa.String(64), primary_key=True),
        sa.Column("contestant", sa.String(200), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "changes",
        sa.Column("id", _BIG, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(265), nullable=False),
        sa.Column("before", sa.JSON()),
        sa.Column("after", sa.JSON()),
    )
    op.create_table(
        "refused_prompts",
        sa.Column("id", _BIG, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("campaign", sa.String(64), nullable=False, index=True),
        sa.Column("voter", sa.String(64), nullable=False),
        sa.Column("rule", sa.String(200), nullable=False),
    )
