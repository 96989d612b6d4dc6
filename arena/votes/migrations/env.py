"""Run by Alembic on the connection that `open_database` hands it, inside its transaction."""

from __future__ import annotations

from alembic import context

from rostra.arena.votes.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
