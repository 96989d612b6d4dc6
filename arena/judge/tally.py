"""What came of a command's work, told while it goes on and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

Event = str
"""`known`: done in an earlier run of the command; `cached`: known from another run folder; `given`,
`nonsense`, `refused`: asked for now; `failed`: there was nothing to be had."""
Told = Callable[["Tally"], None]


@dataclass
class Tally:
    total: int
    counts: Counter[Event] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    """Of what was asked for now; `None` where no price is known."""
    faults: list[str] = field(default_factory=list)
    """A line for each row that came to nothing."""

    @property
    def done(self) -> int:
        return self.counts.total()

    def add(
        self,
        event: Event,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        cost: float | None = None,
    ) -> None:
        self.counts[event] += 1
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        if cost is not None:
            self.cost = (self.cost or 0.0) + cost
