"""The history of the vote store's tables, for Alembic."""
