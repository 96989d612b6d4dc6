"""What ratings read of battles and votes, without the rest of their rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index(
        "ix_battles_rated",
        "battles",
        [
            *("id", "mode", "failed", "identity_revealed"),
            *("contestant_a", "contestant_b", "campaign", "voter"),
        ],
    )
    if op.get_bind().dialect.name == "sqlite":
        # Kept in the order of their battles; the check is forgotten where it is not named here.
        with op.batch_alter_table(
            "votes",
            recreate="always",
            table_args=(
                sa.CheckConstraint("outcome IN ('a', 'b', 'tie', 'both_bad')", name="vote_outcome"),
            ),
            table_kwargs={"sqlite_with_rowid": False},
        ):
            pass
