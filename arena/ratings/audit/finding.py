"""What a probe found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["pass", "warning", "fail", "cannot tell"]


@dataclass(frozen=True)
class Finding:
    """The answer of one probe; as JSON an object of these fields."""

    name: str
    """Of the probe: the name of its module."""
    verdict: Verdict
    """`warning`: a claim that the order seems to make is not carried, or rests on an assumption;
    `fail`: so much so that the order should not be read without this; `cannot tell`: the votes do
    not hold what the probe needs."""
    sentence: str
    """For readers of the leaderboard."""
    numbers: Mapping[str, float | int | None] = field(default_factory=dict)
    """What the verdict rests on, by name."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """More of it: names, lists; what JSON can hold."""
