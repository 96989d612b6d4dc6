"""Who meets whom, and on which side."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from rostra.arena.contestant import Contestant

Side = Literal["a", "b"]
SIDES: tuple[Side, ...] = get_args(Side)


@dataclass(frozen=True)
class Pair:
    """Two contestants; `a` stands on the left."""

    a: Contestant
    b: Contestant

    def __getitem__(self, side: Side) -> Contestant:
        return self.a if side == "a" else self.b


@dataclass(frozen=True)
class Draw:
    """A pair and how it came about, so that a sampling that was not uniform can be reweighted."""

    pair: Pair
    policy: str
    probability: float
    """Of these two under the policy at that moment, in either order; the sides are a fair coin."""
    among: tuple[str, ...] | None = None
    """Names of those whom the probability is among, where not all could be drawn."""

    @property
    def record(self) -> dict[str, str | float | list[str]]:
        """What the store keeps with the battle."""
        record: dict[str, str | float | list[str]] = {
            "policy": self.policy,
            "probability": self.probability,
        }
        return record if self.among is None else {**record, "among": list(self.among)}


class Policy(Protocol):
    """Draws pairs. `draw` takes well under a millisecond of an event loop, and reads no file."""

    def draw(self, among: Collection[str] | None = None) -> Draw:
        """`among`: names, of whom both are to be. Raises `ArenaError` where no two of them can
        meet."""
        ...
