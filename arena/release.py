"""How much of the answers may be shown at a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rostra.arena.matchmaking import Side

PACE = 1000.0
"""Characters a second, more than anybody reads and as much as a fast server writes."""
LONGEST_LAG = 4.0
"""Seconds within which what has come of both answers is shown, however much it is."""
SHARE = 0.75
"""Of the pace of both answers, that of the longer one once the shorter one has ended."""
USUAL_PACE, USUAL_SECONDS = 200.0, 0.5
"""Characters a second, and how long they count as seen: a first word alone tells no pace."""
PAUSE = 0.5
"""Seconds between the end of the shorter one and the rest of the longer one."""
LONGEST_WAIT = 60.0
"""Seconds within which the rest of the longer answer is shown when all of it has come."""


@dataclass(frozen=True)
class Received:
    """What has come of an answer."""

    length: int
    """Characters."""
    whole: bool
    """No more will come."""


class Release(Protocol):
    """Decides for one exchange. What was shown once stays shown."""

    def advance(self, received: Mapping[Side, Received], seconds: float) -> int:
        """The characters of each answer that may be shown, `seconds` after the call before."""


class AsReceived:
    """Everything at once, where the names are known anyway."""

    def advance(self, received: Mapping[Side, Received], seconds: float) -> int:
        return max(each.length for each in received.values())


class InStep:
    """As much of one answer as of the other, and the rest of the longer one at a pace of both.

    Until one has been shown whole, the first words come together, and neither the wait for them,
    nor pace, nor pauses, nor the size of the pieces in which a server writes tells who is who.

    From then on the longer one could give its own pace away. After a `PAUSE` it goes on at `SHARE`
    of the pace that both had, which whoever looks on knows already. If it was the slower one, it
    writes faster than that, and if it was the faster one, more of it lies ready: either way what is
    shown is the same.
    Its own pace shows only where it falls below that share, since what has not come cannot be
    shown, and where the rest would take longer than `LONGEST_WAIT`.
    """

    def __init__(self) -> None:
        self._shown = 0.0
        self._seconds = 0.0
        """Since the first words."""
        self._rest_pace: float | None = None
        """Characters a second of the longer answer; `None` while both are growing."""
        self._remaining_pause, self._remaining_wait = PAUSE, LONGEST_WAIT

    def advance(self, received: Mapping[Side, Received], seconds: float) -> int:
        if self._rest_pace is None:
            self._advance_both(received, seconds)
        else:
            self._advance_rest(received, seconds, self._rest_pace)
        return int(self._shown)

    def _advance_both(self, received: Mapping[Side, Received], seconds: float) -> None:
        common = min(each.length for each in received.values())
        if common:
            self._seconds += seconds
        pace = max(PACE, (common - self._shown) / LONGEST_LAG)
        self._shown = min(common, self._shown + pace * seconds)
        if any(each.whole and self._shown >= each.length for each in received.values()):
            seen = self._shown + USUAL_PACE * USUAL_SECONDS
            self._rest_pace = SHARE * seen / (self._seconds + USUAL_SECONDS)

    def _advance_rest(self, received: Mapping[Side, Received], seconds: float, pace: float) -> None:
        if self._remaining_pause > 0:
            self._remaining_pause -= seconds
            return
        longer = max(received.values(), key=lambda each: each.length)
        if longer.whole:
            pace = max(pace, (longer.length - self._shown) / max(self._remaining_wait, seconds))
            self._remaining_wait -= seconds
        self._shown = min(longer.length, self._shown + pace * seconds)
