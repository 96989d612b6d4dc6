"""Where the votes of a result came from, and what became of each row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Provenance:
    """Travels with every posterior, so that a number can be traced to its rows."""

    source: str = ""
    """File, or store with its password hidden."""
    log_head: str | None = None
    """Head of the hash chain of the vote log, where the source has one."""
    rows_read: int = 0
    rows_used: int = 0
    left_out: tuple[tuple[str, int], ...] = ()
    """Reason and number of rows, for rows that were understood and not used (not blind, before
    the date asked for) and for rows that were malformed."""
    first_vote: str | None = None
    """ISO 8601, UTC."""
    last_vote: str | None = None
