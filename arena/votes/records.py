"""What goes into the vote store and comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from rostra.arena.images.picture import Picture
from rostra.arena.matchmaking import Side

Outcome = Literal["a", "b", "tie", "both_bad"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

Mode = Literal["battle", "side_by_side", "direct"]
"""A blind pair, a pair whose names are shown, one contestant by its name."""
MODES: tuple[Mode, ...] = get_args(Mode)
ReasonTag = Literal["correct", "helpful", "style", "safe"]
REASON_TAGS: tuple[ReasonTag, ...] = get_args(ReasonTag)
MOST_COMMENT = 2_000
"""Characters of a comment."""


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
class StoredReasons:
    battle_id: str
    tags: tuple[ReasonTag, ...]
    comment: str | None
    at: datetime


@dataclass(frozen=True)
class StoredTurn:
    number: int
    """From 0."""
    prompt: str
    asked_at: datetime
    images: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class StoredAnswer(EndedAnswer):
    turn: int = 0
    side: Side = "a"
    attempt: int = 0


@dataclass(frozen=True)
class StoredBattle:
    """A battle as it was left. It names the contestants: for the server's memory, and for the page
    after the vote only."""

    battle_id: str
    campaign: str
    mode: Mode
    contestant_a: str
    contestant_b: str | None
    """`None` in a direct chat."""
    settings_a: dict[str, Any]
    settings_b: dict[str, Any] | None
    created_at: datetime
    failed: bool
    identity_revealed: bool
    turns: tuple[StoredTurn, ...]
    answers: tuple[StoredAnswer, ...]
    """The newest attempt of each, by turn and side."""
    vote: StoredVote | None
    reasons: StoredReasons | None


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
