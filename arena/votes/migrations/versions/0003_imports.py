"""Where imported battles came from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "imported_battles",
        sa.Column("battle_id", sa.String(32), sa.ForeignKey("battles.id"), primary_key=True),
        sa.Column("file", sa.String(255), nullable=False),
        sa.Column("form", sa.String(16), nullable=False),
        sa.Column("row", _BIG, nullable=False),
        sa.Column("original_id", sa.Text()),
        sa.Column("timed", sa.Boolean(), nullable=False),
        sa.Column("extra", sa.JSON()),
    )
