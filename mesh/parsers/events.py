"""What comes of the text a model writes."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.Enum):
    CONTENT = "content"
    REASONING = "reasoning"
    CALL = "call"
    """A call begins. The text is the tool's name."""
    ARGUMENTS = "arguments"
    """JSON text of the arguments of the call that began last."""
    CALL_END = "call_end"
    """That call is whole. No text."""


@dataclass(frozen=True, slots=True)
class Event:
    kind: Kind
    text: str
    end: int
    """How many characters the model had written where this ends, markup included. Content and
    reasoning stand in the model's text as they are here, and begin at `end - len(text)`."""
