"""How many replicas there should be: a function of what waits, and of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rostra.mesh.launch.settings import ReplicaSettings

MARGIN = 0.8
"""Share of what the remaining replicas can run that running requests may fill after a step down."""


@dataclass(frozen=True)
class Reading:
    """Of one replica that serves."""

    running: int
    waiting: int


class Autoscaler:
    """Asked at intervals. Keeps the number between `min` and `max`.

    Up: when more than `target_waiting` wait for each replica, those that are still starting
    included, for `up_after` seconds: to as many as that needs, at most twice as many as there are.
    Down: by one, when nothing has waited and the rest could have run everything for `down_after`
    seconds. Because a step down needs room to spare and a step up needs a queue, a steady load
    leads to a number that stays.
    """

    def __init__(self, settings: ReplicaSettings, max_running: int) -> None:
        """`max_running`: requests that a replica runs at once when nothing else limits it."""
        self._settings = settings
        self._capacity = float(max_running)
        """Of one replica. One that lets requests wait shows how many it can run."""
        self._queued_since: float | None = None
        self._spare_since: float | None = None
        self._last_step = -math.inf

    def wanted(
        self, now: float, readings: Sequence[Reading | None], placed: int, queued: int = 0
    ) -> int:
        """`now` in seconds; `readings` of those that have begun to serve, None where one does not
        answer; `placed`: replicas that serve or are to serve, draining ones not; `queued`: requests
        that wait before all replicas."""
        settings = self._settings
        if not settings.min <= placed <= settings.max:
            return min(max(placed, settings.min), settings.max)
        known = [reading for reading in readings if reading is not None]
        waiting = queued + sum(reading.waiting for reading in known)
        running = sum(reading.running for reading in known)
        crowded = [reading.running for reading in known if reading.waiting]
        if crowded:
            self._capacity = max(1.0, sum(crowded) / len(crowded))
        too_many = waiting > settings.target_waiting * placed
        # While one starts, the others are all there is; and silence is no sign of rest.
        room = MARGIN * self._capacity * max(0, min(placed, len(readings)) - 1)
        spare = bool(known) and None not in readings and not waiting and running <= room
        self._queued_since = _since(self._queued_since, too_many, now)
        self._spare_since = _since(self._spare_since, spare, now)
        if self._long_enough(self._queued_since, settings.up_after, now):
            needed = math.ceil(waiting / settings.target_waiting)
            return self._step(min(needed, 2 * placed, settings.max), placed, now)
        if self._long_enough(self._spare_since, settings.down_after, now):
            return self._step(max(placed - 1, settings.min), placed, now)
        return placed

    def _long_enough(self, since: float | None, least: float, now: float) -> bool:
        return since is not None and now - max(since, self._last_step) >= least

    def _step(self, wanted: int, placed: int, now: float) -> int:
        if wanted != placed:
            self._last_step = now
        return wanted


def _since(since: float | None, holds: bool, now: float) -> float | None:
    """When what holds now began to."""
    if not holds:
        return None
    return now if since is None else since
