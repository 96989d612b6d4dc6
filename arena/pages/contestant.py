"""What lies behind one line of the leaderboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rostra.arena.pages.entrance import moment
from rostra.arena.pages.templates import fill_in
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.results import Saved
from rostra.arena.texts import Texts


@dataclass(frozen=True)
class Opponent:
    label: str
    won: int
    tied: int
    lost: int
    both_bad: int
    stronger: str
    """Probability that the contestant is the stronger of the two, in words."""


def contestant(
    saved: Saved, posterior: Posterior, name: str, labels: Mapping[str, str], words: Texts
) -> str:
    """HTML. `posterior`: that of `saved`, or one level of it.

    Raises RatingsError for an unknown name.
    """
    at = posterior.index(name)
    row = next(row for row in posterior.rows if row.contestant == name)
    probability = posterior.ranks.distribution[at]
    places = range(row.rank_best, row.rank_worst + 1)
    likely = int(np.argmax(probability))
    past = [
        (moment(result.created), then)
        for result in reversed(saved.earlier)
        for then in result.rows
        if then.contestant == name
    ]
    return fill_in(
        "contestant.html",
        row=row,
        label=labels.get(name, name),
        words=words,
        size=len(posterior.contestants),
        best=chance(float(probability[0]), words),
        distribution=[(place, 100 * float(probability[place - 1])) for place in places],
        highest=100 * float(probability.max()),
        likely=likely + 1,
        chance=chance(float(probability[likely]), words),
        opponents=opponents(posterior, name, labels, words),
        past=past,
    )


def chance(probability: float, words: Texts) -> str:
    """In per cent; never certainty where the draws merely agree."""
    if probability < 0.001:
        return words("detail.less", percent="0.1")
    if probability > 0.999:
        return words("detail.more", percent="99.9")
    return f"{100 * probability:.1f} %"


def opponents(
    posterior: Posterior, name: str, labels: Mapping[str, str], words: Texts
) -> list[Opponent]:
    """All others by descending rating, those it never met among them."""
    board, at = posterior.board, posterior.index(name)
    size = len(board.contestants)
    record = np.zeros((size, 4), dtype=np.int64)
    for mine, other, columns in (
        (board.left, board.right, [0, 1, 2, 3]),
        (board.right, board.left, [2, 1, 0, 3]),
    ):
        cells = mine == at
        np.add.at(record, other[cells], board.table[cells][:, columns])
    found = []
    for row in posterior.rows:
        i = posterior.index(row.contestant)
        if i != at:
            p = float(posterior.pairs.superiority[at, i])
            won, tied, lost, both_bad = record[i].tolist()
            found.append(
                Opponent(
                    labels.get(row.contestant, row.contestant),
                    won,
                    tied,
                    lost,
                    both_bad,
                    stronger=words("detail.not_linked") if np.isnan(p) else chance(p, words),
                )
            )
    return found
