"""Which votes are verdicts of models."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("battles", sa.Column("judge", sa.String(64)))
    # Ratings ask of every battle whose vote it is, so the index that they read alone has to tell.
    op.drop_index("ix_battles_rated", "battles")
    op.create_index(
        "ix_battles_rated",
        "battles",
        [
            *("id", "mode", "failed", "identity_revealed"),
            *("contestant_a", "contestant_b", "campaign", "voter", "judge"),
        ],
    )
