"""How long work tells its caller where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class ProgressTask(Protocol):
    def advance(self, count: int) -> None:
        """`count` bytes more are done. Safe to call from several threads."""


class Progress(Protocol):
    def task(self, description: str, total: int | None) -> AbstractContextManager[ProgressTask]:
        """A piece of work of `total` bytes, None where that is not known before."""


class SilentProgress:
    """Tells nobody."""

    @contextmanager
    def task(self, description: str, total: int | None) -> Iterator[ProgressTask]:
        yield self

    def advance(self, count: int) -> None:
        pass
