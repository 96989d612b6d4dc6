"""The process that rates: `python -m rostra.arena.refresh.process`.

Its standard input is the arena's, a line of JSON for each `Order`. When it closes, as it does
however the arena ends, so does the process, in the middle of a fit too. Its standard output has one
line of JSON, a `Told`, for each look at the votes of a campaign. There is one such process, and it
looks at one campaign at a time.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from rostra.arena.errors import ArenaError
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.reduce import Wanted
from rostra.arena.ratings.storage import SUMMARY, latest
from rostra.arena.refresh.odd_voters import save_odd_voters
from rostra.arena.refresh.settings import RefreshSettings
from rostra.arena.tags.tagger import tag_for
from rostra.arena.votes.reduction import VoteReader

NICENESS = 10
"""Voters and their pages come first."""
MARK = "refreshed"
"""A file in the folders of results that this process made, and may delete."""


class Job(msgspec.Struct, frozen=True):
    """The votes of one campaign, and where their ratings are published."""

    campaign: str
    votes_url: str
    ratings_dir: str
    refresh: str
    """`RefreshSettings` in JSON."""
    without: tuple[str, ...] = ()
    """Campaigns whose votes are not rated in this one."""


class Order(msgspec.Struct, frozen=True):
    jobs: tuple[Job, ...] | None = None
    """What is looked at from now on; None: what was before."""
    now: str = ""
    """A campaign whose ratings are wanted now."""


class Told(msgspec.Struct, frozen=True):
    """What one look at the votes came to."""

    campaign: str = ""
    rated: int | None = None
    """Votes in the new result; None where there is none."""
    folder: str = ""
    """Of the new result."""
    seconds: float = 0.0
    why: str = ""
    """Why there is no new result."""


class _Outline(msgspec.Struct):
    """Of `summary.json`."""

    votes: dict[str, int]
    provenance: Provenance


class Rater:
    """Looks at the votes of one store, and publishes ratings when there are enough new ones."""

    def __init__(
        self,
        votes_url: str,
        directory: Path,
        settings: RefreshSettings,
        without: tuple[str, ...] = (),
    ) -> None:
        """`without`: campaigns whose votes are not rated."""
        self._url = votes_url
        self._without = without
        self._directory = directory
        self._settings = settings
        self._seen: object = None

    @property
    def interval(self) -> float:
        """Seconds from one look to the next."""
        return self._settings.interval

    def look(self, asked: bool = False) -> Told:
        """`asked`: ratings are wanted now, with one new vote already.

        Raises ArenaError when the votes cannot be read or rated, or the result be written.
        """
        began = time.monotonic()
        chosen = self._settings
        reader = VoteReader(
            self._url, chosen.campaigns, imported=chosen.imported, without=self._without
        )
        try:
            version = reader.version()
            if version == self._seen:
                return Told(why="no new votes")
            told = self._rate(reader, 1 if asked else self._settings.min_votes)
        finally:
            reader.close()
        if told.rated is None:
            return told
        self._seen = version
        return msgspec.structs.replace(told, seconds=time.monotonic() - began)

    def _rate(self, reader: VoteReader, least: int) -> Told:
        wanted = self._settings.wanted()
        tag_for(self._url, wanted.factors)
        board, provenance = reader.reduce(wanted)
        new = board.num_votes - self._rated_before(provenance.source)
        # Votes can become fewer too, when some are taken out.
        if abs(new) < least:
            return Told(why=f"{new:,} new votes, of {least:,} that are waited for")
        # Here, since who only looks does not wait for the import.
        from rostra.arena.publishing import publish
        from rostra.arena.ratings.fit import fit

        posterior = fit(
            board,
            self._settings.fit_settings(),
            spec=self._settings.spec(),
            provenance=provenance,
        )

        def read(other: Wanted) -> Board:
            return reader.reduce(other)[0]

        published = publish(posterior, self._directory, read, wanted)
        (published.folder / MARK).touch()
        save_odd_voters(posterior, published.folder, read, wanted)
        self._forget()
        return Told(rated=board.num_votes, folder=str(published.folder))

    def _rated_before(self, source: str) -> int:
        """Votes in the newest result, 0 where that is not of this store or cannot be read."""
        try:
            folder = latest(self._directory)
            if folder is None:
                return 0
            found = msgspec.json.decode((folder / SUMMARY).read_bytes(), type=_Outline)
        except (ArenaError, OSError, msgspec.DecodeError):
            return 0
        return found.votes.get("total", 0) if found.provenance.source == source else 0

    def _forget(self) -> None:
        """Deletes the oldest of the results that this process made, beyond those to keep."""
        own = sorted(path.parent for path in self._directory.glob(f"[!.]*/{MARK}"))
        for folder in own[: -self._settings.keep]:
            shutil.rmtree(folder, ignore_errors=True)


class _Desk:
    """Whose votes are looked at when."""

    def __init__(self) -> None:
        self._raters: dict[Job, Rater] = {}
        self._due: dict[Job, float] = {}
        self._asked: set[str] = set()

    def take(self, order: Order) -> None:
        if order.jobs is not None:
            self._raters = {job: self._raters.get(job) or _rater(job) for job in order.jobs}
            self._due = {job: self._due.get(job, 0.0) for job in order.jobs}
        if order.now:
            self._asked.add(order.now)

    @property
    def seconds(self) -> float | None:
        """Until the next look; None where there is nothing to look at."""
        if not self._due:
            return None
        if any(job.campaign in self._asked for job in self._due):
            return 0.0
        return max(min(self._due.values()) - time.monotonic(), 0.0)

    def look(self) -> Told:
        """At what somebody asked for, else at what has waited longest."""
        job = min(self._due, key=lambda each: (each.campaign not in self._asked, self._due[each]))
        asked = job.campaign in self._asked
        self._asked.discard(job.campaign)
        rater = self._raters[job]
        try:
            told = rater.look(asked)
        except ArenaError as error:
            told = Told(why=str(error))
        self._due[job] = time.monotonic() + rater.interval
        return msgspec.structs.replace(told, campaign=job.campaign)


def _rater(job: Job) -> Rater:
    settings = RefreshSettings.model_validate_json(job.refresh)
    return Rater(job.votes_url, Path(job.ratings_dir), settings, job.without)


def main(read: IO[str], write: Callable[[bytes], object]) -> None:
    orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(read, orders), daemon=True).start()
    desk = _Desk()
    while True:
        with contextlib.suppress(queue.Empty):
            desk.take(orders.get(timeout=desk.seconds))
            # Those who asked meanwhile are served together.
            while True:
                desk.take(orders.get_nowait())
        if desk.seconds == 0.0:
            write(msgspec.json.encode(desk.look()) + b"\n")


def _listen(read: IO[str], orders: queue.SimpleQueue[Order]) -> None:
    for line in read:
        orders.put(msgspec.json.decode(line, type=Order))
    # At once: nothing is half written under its own name, and nobody waits for it.
    os._exit(0)


if __name__ == "__main__":
    os.nice(NICENESS)
    # What libraries print must not get between the lines.
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    main(sys.stdin, output.write)
