"""Where the votes of a result came from, and what became of each row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Provenance:
    """Travels with every posterior, so that a number can be traced to its rows."""

    source: str = ""
    """File, or store with its password hidden."""
    log_seq: int | None = None
    """How many entries the log of votes had, where the source has a log."""
    log_head: str | None = None
    """Hash of the last of them, hex: whoever has the log can tell what was counted."""
    rows_read: int = 0
    rows_used: int = 0
    left_out: tuple[tuple[str, int], ...] = ()
    """Reason and number of rows, for rows that were understood and not used (not blind, before
    the date asked for) and for rows that were malformed."""
    first_vote: str | None = None
    """ISO 8601, UTC."""
    last_vote: str | None = None
