"""What admins changed, the newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from rostra.arena.votes.models import Change

PAGE = 50


@dataclass(frozen=True)
class Changed:
    id: int
    at: datetime
    who: str
    action: str
    subject: str
    before: Any
    after: Any


def changes(connection: Connection, before: int | None = None) -> list[Changed]:
    """`PAGE` of them at most, those with ids below `before` where it is given."""
    rows = select(Change.__table__).order_by(Change.id.desc()).limit(PAGE)
    if before is not None:
        rows = rows.where(Change.id < before)
    return [
        Changed(row.id, row.at, row.who, row.action, row.subject, row.before, row.after)
        for row in connection.execute(rows)
    ]
