"""Progress of long work as bars in the terminal."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from rostra.mesh.cli.console import PLAIN
from rostra.mesh.logs import logs_json
from rostra.mesh.store.progress import ProgressTask

log = logging.getLogger(__name__)


class RichProgress:
    """Implements `rostra.mesh.store.Progress`: a bar for each task, gone when it is done.

    Where standard error is no terminal, each task is one line when it begins.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)

    @contextmanager
    def task(self, description: str, total: int | None) -> Iterator[ProgressTask]:
        if logs_json():
            log.info("%s", description)
        elif not self._console.is_terminal:
            self._console.print(description, **PLAIN)
        with self._bars(total) as bars:
            yield _Bar(bars, bars.add_task(description, total=total))

    def _bars(self, total: int | None) -> Progress:
        text = TextColumn("{task.description}", markup=False)
        known = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        return Progress(
            *((text, *known) if total is not None else (text, SpinnerColumn())),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )


class _Bar:
    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars = bars
        self._task = task
        self._lock = threading.Lock()

    def advance(self, count: int) -> None:
        with self._lock:
            self._bars.advance(self._task, count)
