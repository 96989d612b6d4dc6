"""A battle on its way into the store, whatever file it stood in."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from rostra.arena.images.picture import Picture

ID_CHARACTERS = 32


@dataclass(frozen=True)
class Said:
    """One side's answer to one question."""

    turn: int
    side: str
    text: str
    completion_tokens: int | None = None
    rest: Mapping[str, Any] = field(default_factory=dict)
    """Further columns of `rostra.arena.votes.models.Answer`."""


@dataclass(frozen=True)
class Shown:
    """An image to one question."""

    turn: int
    number: int
    picture: Picture


@dataclass(frozen=True)
class Incoming:
    row: int
    """Counted from 1."""
    contestant_a: str
    contestant_b: str
    outcome: str
    original_id: str | None
    at: datetime | None
    voter: str | None
    turns: int
    """How many the voter had read."""
    mode: str = "battle"
    prompts: tuple[str, ...] = ()
    answers: tuple[Said, ...] = ()
    images: tuple[Shown, ...] = ()
    """By turn and number."""
    tags: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] | None = None
    battle: Mapping[str, Any] = field(default_factory=dict)
    """Further columns of `rostra.arena.votes.models.Battle`, where the file has them."""
    asked_at: tuple[datetime, ...] = ()
    """Of each prompt; where it is empty nobody knows, and the vote's time stands for it."""

    def battle_id(self, campaign: str) -> str:
        """The same whenever the same vote is imported: the file's own id if it is a UUID, a hash of
        it otherwise; of the row, its place and the campaign where the file has no ids."""
        if self.original_id is None:
            return _hash(
                campaign,
                self.row,
                self.contestant_a,
                self.contestant_b,
                self.outcome,
                self.at,
                self.voter,
            )
        return as_uuid(self.original_id) or _hash(self.original_id)


@dataclass(frozen=True)
class NotTaken:
    """A row that is not imported."""

    row: int
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Reasons:
    """What a voter said of a vote, which stands in a row before."""

    row: int
    battle_id: str
    at: datetime
    tags: list[str]
    comment: str | None


class Source(Protocol):
    """A file in one form."""

    form: str
    because: str
    """How the form was known."""

    def rows(self) -> Iterator[Incoming | NotTaken | Reasons]:
        """In the file's order, some in memory at a time."""


def as_uuid(text: str) -> str | None:
    try:
        found = uuid.UUID(text).hex
    except ValueError:
        return None
    # Other spellings of a UUID are kept beside it, so that an export gives them back.
    return found


def _hash(*parts: Any) -> str:
    return hashlib.sha256("\x1f".join(map(str, parts)).encode(errors="surrogatepass")).hexdigest()[
        :ID_CHARACTERS
    ]
