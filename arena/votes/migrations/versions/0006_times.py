"""What was asked and answered of late is found by its time."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index("ix_battles_created_at", "battles", ["created_at"])
    op.create_index("ix_answers_ended_at", "answers", ["ended_at"])
