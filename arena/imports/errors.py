"""Errors that a person is meant to read."""

from __future__ import annotations

from rostra.arena.errors import ArenaError


class ImportFileError(ArenaError):
    """A file that cannot be read as votes at all. One line: what is wrong, where, what to do."""
