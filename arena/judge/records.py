"""What a run folder holds, a line each."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Status = Literal["given", "nonsense", "refused"]
"""Of a verdict; a judge that could not be reached leaves no record."""
Choice = Literal["a", "b", "tie"]
"""`a`: the answer that was shown first is better."""


class Answered(msgspec.Struct, frozen=True, omit_defaults=True):
    """A contestant's answer to one turn."""

    question: str
    contestant: str
    turn: int
    """From 1."""
    text: str
    at: datetime
    seconds: float = 0.0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None
    revision: str | None = None


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """A judge's reply, or that it gave none that can be used."""

    key: str
    """Hash of all that was sent; see `rostra.arena.judge.request`."""
    judge: str
    kind: Literal["grade", "pair", "agreed"]
    """One answer graded; two compared in one order; or, of imports, what both orders came to."""
    question: str
    turn: int
    """From 1; the answers before it are context."""
    contestants: tuple[str, ...]
    """One, or two in the order they were shown."""
    at: datetime
    status: Status = "given"
    score: float | None = None
    """Of a grade, 1 to 10."""
    choice: Choice | None = None
    """Of a comparison."""
    reason: str = ""
    detail: str = ""
    """Of nonsense and refusals: what came."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """Paid for, over all attempts; 0 where the reply was known from another run."""
    attempts: int = 1
    own: bool = False
    """A contestant is the judge's own model: self-preference is to be expected."""
    referenced: bool = False
    """Whether a right answer was shown to the judge."""
    consistent: bool | None = None
    """Of `agreed` only: whether both orders said the same."""

    @property
    def place(self) -> tuple[str, str, str, int, tuple[str, ...]]:
        """What it is of."""
        # What both orders came to has no order.
        names = tuple(sorted(self.contestants)) if self.kind == "agreed" else self.contestants
        return self.judge, self.kind, self.question, self.turn, names
