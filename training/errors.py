"""Errors that a person is meant to read."""

from __future__ import annotations


class TrainingError(Exception):
    """Something the user can mend. One line: what is wrong, where, what to do."""
