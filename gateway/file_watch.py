"""Whether files have changed since they were last looked at."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_Mark = tuple[int, int, int] | None


class FileWatch:
    """Of a few files, by what `stat` tells of each. One that is not there counts as a state too."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._marks = self._look()

    def changed(self) -> bool:
        """Whether anything is other than at the last call, or at the beginning."""
        marks = self._look()
        before, self._marks = self._marks, marks
        return marks != before

    def _look(self) -> tuple[_Mark, ...]:
        return tuple(map(_mark, self._paths))


def _mark(path: Path) -> _Mark:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
