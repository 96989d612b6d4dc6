"""A value that takes time to read, for those who cannot wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from rostra.arena.errors import ArenaError

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_AGE = 5.0
"""Seconds."""
SHARE = 0.05
"""Of one core, at most, for reading."""


class Kept(Generic[T]):
    """What `read` gave last. Who asks gets it at once; one that has grown old is read again
    meanwhile, in a thread, once at a time. Where it cannot be read the former one stands, and the
    reason is logged once.

    The first is read when the object is made, which blocks; `instead` is for when that fails.
    """

    def __init__(self, read: Callable[[], T], instead: T, max_age: float = MAX_AGE) -> None:
        self._read = read
        self._max_age = max_age
        self._value = instead
        self._reading = threading.Lock()
        self._due = 0.0
        self._complaint = ""
        with self._reading:
            self._renew()

    def __call__(self) -> T:
        if time.monotonic() >= self._due and self._reading.acquire(blocking=False):
            try:
                threading.Thread(target=self._in_thread, name="matchmaking", daemon=True).start()
            except RuntimeError:  # no more threads
                self._reading.release()
                raise
        return self._value

    def _in_thread(self) -> None:
        try:
            self._renew()
        finally:
            self._reading.release()

    def _renew(self) -> None:
        began = time.monotonic()
        try:
            self._value = self._read()
            self._complaint = ""
        except Exception as error:
            known = isinstance(error, ArenaError)
            if str(error) != self._complaint:
                self._complaint = str(error)
                logger.warning("matchmaking goes on as before: %s", error, exc_info=not known)
        finally:
            ended = time.monotonic()
            self._due = ended + max(self._max_age, (ended - began) / SHARE)
