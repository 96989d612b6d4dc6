"""What goes into the vote store and comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

Outcome = Literal["a", "b", "tie", "both_bad"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Ticket:
    """Entitles to the one vote on a battle. The token exists here only; the store has its hash."""

    battle_id: str
    token: str


@dataclass(frozen=True)
class EndedAnswer:
    """How an answer ended. `error` is set when it failed; `finish_reason` otherwise."""

    text: str
    seconds: float
    """From the question to the end."""
    first_text_seconds: float | None = None
    finish_reason: str | None = None
    error: str | None = None
    model_revision: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class StoredVote:
    battle_id: str
    outcome: Outcome
    at: datetime


@dataclass(frozen=True)
class Comparison:
    """One vote as the ratings read it; `outcome` `a` means that `left` won."""

    left: str
    right: str
    outcome: Outcome
    at: datetime
    voter: str


@dataclass(frozen=True)
class VoteCounts:
    battles: int
    votes: int
    """Of these, `revealed_votes` were not blind."""
    revealed_votes: int
    failed_battles: int
    outcomes: dict[Outcome, int]
