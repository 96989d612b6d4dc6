"""Trying again, later and later."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

_LONG = 60.0
"""Seconds after which what fails again fails anew."""


class Backoff:
    """Pauses that double, each give or take a quarter, so that many do not try in step."""

    def __init__(self, first: float, longest: float, rng: random.Random | None = None) -> None:
        """Both in seconds."""
        self._first = first
        self._longest = longest
        self._rng = rng or random.Random()
        self._pause = first

    def next(self) -> float:
        """Seconds."""
        pause = min(self._pause, self._longest)
        self._pause = min(2 * pause, self._longest)
        return pause * self._rng.uniform(0.75, 1.25)

    def reset(self) -> None:
        self._pause = self._first


async def persist(run: Callable[[], Awaitable[None]], what: str, backoff: Backoff) -> None:
    """Returns when `run` does; where it fails in a way that nobody has foreseen, it is run again.

    `what` has failed is logged with a trace once, and then in one line for each further time.
    """
    known = False
    while True:
        began = time.monotonic()
        try:
            return await run()
        except Exception as error:
            if time.monotonic() - began > _LONG:
                backoff.reset()
                known = False
            pause = backoff.next()
            if known:
                logger.error("%s failed again, next try in %.1f s: %r", what, pause, error)
            else:
                logger.exception("%s failed, next try in %.1f s", what, pause)
            known = True
        await asyncio.sleep(pause)
