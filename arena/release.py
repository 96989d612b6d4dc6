"""How much of the answers may be shown at a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rostra.arena.matchmaking import Side

PACE = 1000.0
"""Characters a second, more than anybody reads and as much as a fast server writes."""
LONGEST_LAG = 4.0
"""Seconds within which what has come is shown, however much it is."""


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
    """As much of one answer as of the other, until one has been shown whole.

    So the first words come together, and neither the wait for them, nor pace, nor pauses, nor the
    size of the pieces in which a server writes tells who is who. The voter loses no time by it: the
    vote waits for both answers. Where the longer answer is also the faster one, `PACE` hides that
    it lay ready.
    """

    def __init__(self) -> None:
        self._shown = 0.0

    def advance(self, received: Mapping[Side, Received], seconds: float) -> int:
        growing = [each.length for each in received.values() if not each.whole]
        longest = max(each.length for each in received.values())
        limit = min(growing, default=longest)
        pace = max(PACE, (limit - self._shown) / LONGEST_LAG)
        self._shown = max(self._shown, min(limit, self._shown + pace * seconds))
        return int(self._shown)
