"""Votes of people, and verdicts of judges on the same battles and on others, set side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.frame import JUDGE

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Cluster = Literal["battle", "question"]
BothBad = Literal["out", "tie"]
NONE = -1
_PLACE = {"a": 0, "tie": 1, "b": 2}


@dataclass(frozen=True, eq=False)
class Matched:
    """A battle is a question, a turn of it and two contestants, whichever stood on the left.

    All verdicts on a battle are one: their mean. A kind of battle is what the mean of verdicts may
    depend on besides the question: the two contestants, which judges judged, and in which order.
    """

    contestants: tuple[str, ...]
    left: IntArray
    """[votes], index of who stood on the left before a person."""
    right: IntArray
    """[votes]"""
    outcome: IntArray
    """[votes]: 0 the left wins, 1 a tie, 2 the right wins."""
    verdict: IntArray
    """[votes], index of the verdict on the same battle; `NONE` where there is none."""
    vote_cluster: IntArray
    """[votes], what is drawn independently: see `Cluster`."""
    first: IntArray
    """[verdicts], index of the contestant whose name comes first."""
    second: IntArray
    """[verdicts]"""
    shares: FloatArray
    """[verdicts, 3], of verdicts on the battle that the first wins, a tie, that the second wins."""
    kind: IntArray
    """[verdicts], number of its kind."""
    verdict_cluster: IntArray
    """[verdicts]"""

    @property
    def voted(self) -> NDArray[np.bool_]:
        """[verdicts], whether people voted on the battle."""
        voted = np.zeros(len(self.first), dtype=bool)
        voted[self.verdict[self.verdict != NONE]] = True
        return voted


def matched(
    votes: pl.DataFrame, *, both_bad: BothBad = "out", cluster: Cluster = "battle"
) -> Matched:
    """Of a vote frame with the columns `judge` and `prompt`, and `turn` where it has one.

    Votes without a question count as votes on battles that no judge judged; verdicts without one
    are left out. `both_bad`: left out, or ties.

    Raises RatingsError when people did not vote, or no battle has both a vote and a verdict.
    """
    for name in (JUDGE, "prompt"):
        if name not in votes.columns:
            raise RatingsError(f"the votes carry no {name}; verdicts cannot be set beside votes")
    if "turn" not in votes.columns:
        votes = votes.with_columns(turn=pl.lit(None, pl.String))
    if both_bad == "out":
        votes = votes.filter(pl.col("outcome") != "both_bad")
    rows = votes.select("left", "right", pl.col("outcome").cast(pl.String), JUDGE, "prompt", "turn")
    names = sorted({*votes["left"], *votes["right"]})
    index = {name: place for place, name in enumerate(names)}
    ballots: list[tuple[int, int, int, Hashable]] = []
    given: defaultdict[Hashable, list[tuple[int, str, bool]]] = defaultdict(list)
    for number, (left, right, outcome, judge, prompt, turn) in enumerate(rows.iter_rows()):
        a, b, place = index[left], index[right], _PLACE.get(outcome, 1)
        battle = (prompt, turn, min(a, b), max(a, b))
        if judge is None:
            ballots.append((a, b, place, battle if prompt is not None else (number,)))
        elif prompt is not None:
            given[battle].append((place if a < b else 2 - place, judge, a < b))
    battles = {battle: number for number, battle in enumerate(given)}
    verdict = np.array([battles.get(battle, NONE) for *_, battle in ballots], dtype=np.int64)
    if not ballots:
        raise RatingsError("no vote of a person; verdicts are corrected by people's votes")
    if not (verdict != NONE).any():
        raise RatingsError(
            f"{len(ballots):,} votes of people and verdicts on {len(battles):,} battles have no "
            "battle in common (question, turn and both contestants): run the judge on some of the "
            "questions that people voted on, so that its bias can be measured"
        )
    shares = np.array([np.bincount([p for p, *_ in v], minlength=3) for v in given.values()])
    kinds = _numbered([(b[2:], tuple(sorted({v[1:] for v in of}))) for b, of in given.items()])  # type: ignore[index]
    clusters = _numbered(
        [
            battle if cluster == "battle" or len(battle) == 1 else battle[:1]  # type: ignore[arg-type,index]
            for battle in [*(battle for *_, battle in ballots), *given]
        ]
    )
    columns = np.array([ballot[:3] for ballot in ballots], dtype=np.int64)
    pairs = np.array([battle[2:] for battle in given], dtype=np.int64)  # type: ignore[index]
    return Matched(
        contestants=tuple(names),
        left=columns[:, 0],
        right=columns[:, 1],
        outcome=columns[:, 2],
        verdict=verdict,
        vote_cluster=clusters[: len(ballots)],
        first=pairs[:, 0],
        second=pairs[:, 1],
        shares=shares / shares.sum(axis=1, keepdims=True),
        kind=kinds,
        verdict_cluster=clusters[len(ballots) :],
    )


def _numbered(keys: list[Hashable]) -> IntArray:
    """[keys], equal keys with equal numbers from 0."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
