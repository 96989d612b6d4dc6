"""The arena's side of the rating process: starts it, hears it, and starts it again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from rostra.arena.campaigns.settings import DEFAULT
from rostra.arena.refresh.process import Job, Order, Told
from rostra.arena.settings import ArenaSettings

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-P", "-m", "rostra.arena.refresh.process")
"""-P: the folder the arena happens to stand in must not shadow packages."""
FIRST_LOOK = 10.0
"""Seconds after the start of the arena, which has more urgent things to do then."""
FIRST_BACKOFF, MAX_BACKOFF = 1.0, 300.0
STOP_GRACE = 5.0


def job(
    settings: ArenaSettings, campaign: str = DEFAULT, without: Iterable[str] = ()
) -> Job | None:
    """To keep the ratings of a campaign up, with the arena's `settings` as they are in it; None
    where these want none. `without`: campaigns whose votes are not rated in it."""
    if not settings.refresh.interval:
        return None
    return Job(
        campaign,
        settings.votes_url,
        str(settings.ratings_dir),
        settings.refresh.model_dump_json(),
        tuple(sorted(without)),
    )


class Look(NamedTuple):
    """When the votes of a campaign were last looked at and rated, in seconds since 1970."""

    at: float
    rated_at: float | None = None
    rated: int = 0
    """Votes in the last ratings."""


class Refresher:
    """Keeps one rating process alive for all campaigns, and none where there is no job.

    A process that dies is started again, after twice as long each time until one has come to an
    end of a look at the votes. It ends with the arena, however that ends: its standard input is a
    pipe that nobody else holds.
    """

    def __init__(
        self,
        jobs: Iterable[Job | None],
        on_told: Callable[[Told], None] = lambda told: None,
        first_look: float = FIRST_LOOK,
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        """`on_told` is called on the event loop after each look at the votes."""
        self._on_told = on_told
        self._first_look = first_look
        self._command = command
        self._process: Process | None = None
        self._backoff = FIRST_BACKOFF
        self._told: dict[str, Told] = {}
        self.looks: dict[str, Look] = {}
        """By campaign, since the start."""
        self._asked: set[str] = set()
        self._wanted = asyncio.Event()
        self._urgent = asyncio.Event()
        self._jobs: tuple[Job, ...] = ()
        self.set_jobs(jobs)

    def set_jobs(self, jobs: Iterable[Job | None]) -> None:
        """What is rated from now on."""
        wanted = tuple(each for each in jobs if each is not None)
        if wanted == self._jobs:
            return
        self._jobs = wanted
        if wanted:
            self._wanted.set()
        self._order(Order(jobs=wanted))

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    def told(self, campaign: str = DEFAULT) -> Told | None:
        """What the last look at its votes came to."""
        return self._told.get(campaign)

    def ask(self, campaign: str = DEFAULT) -> None:
        """Wants its ratings now, if there is a new vote. Returns at once; asking twice is asking
        once. Does nothing where the settings want no ratings of it."""
        if self.pid is None:
            self._asked.add(campaign)
            self._urgent.set()
        else:
            self._order(Order(now=campaign))

    def _order(self, order: Order) -> None:
        if self.pid is not None and self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                self._process.stdin.write(msgspec.json.encode(order) + b"\n")

    async def run(self) -> None:
        """Until it is cancelled, which ends the process."""
        await self._wanted.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._urgent.wait(), self._first_look)
        try:
            while True:
                code = await self._run_once()
                logger.warning(
                    "the rating process %s; starting it again in %.0f s",
                    f"was ended by signal {-code}" if code < 0 else f"ended with {code}",
                    self._backoff,
                )
                await asyncio.sleep(self._backoff)
                self._backoff = min(2 * self._backoff, MAX_BACKOFF)
        finally:
            await self._end()

    async def _run_once(self) -> int:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=PIPE,
            stdout=PIPE,
            # Ctrl-C reaches the arena alone, which then ends the process by its pipe.
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._order(Order(jobs=self._jobs))
        while self._asked:
            self._order(Order(now=self._asked.pop()))
        async for line in self._process.stdout:
            self._hear(msgspec.json.decode(line, type=Told))
        return await self._process.wait()

    def _hear(self, told: Told) -> None:
        self._backoff = FIRST_BACKOFF
        before = self._told.get(told.campaign)
        self._told[told.campaign] = told
        now, look = time.time(), self.looks.get(told.campaign, Look(0.0))
        if told.rated is not None:
            look = Look(now, now, told.rated)
        self.looks[told.campaign] = look._replace(at=now)
        if told.rated is not None:
            logger.info(
                "%s: rated %d votes in %.1f s: %s",
                *(told.campaign, told.rated, told.seconds, told.folder),
            )
        elif before is None or told.why != before.why:
            logger.info("%s: no new ratings: %s", told.campaign, told.why)
        self._on_told(told)

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_GRACE)
        except TimeoutError:
            process.kill()
            await process.wait()
