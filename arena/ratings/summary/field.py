"""How each contestant stands to the field, and what part of the votes it had."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.summary.intervals import FloatArray

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior


@dataclass(frozen=True, eq=False)
class Field:
    """Each array [contestants]."""

    score: FloatArray
    """Posterior mean of the expected score against another contestant drawn uniformly from those
    that votes link it with, on either side as often: a win counts 1, a tie one half. So it does
    not depend on whom it happened to meet, as the plain share of its wins would. NaN for a
    contestant that is linked with nobody."""
    votes: NDArray[np.int64]
    """Votes it took part in, `both_bad` included."""
    decided: NDArray[np.int64]
    """Those that bear on the order."""
    opponents: NDArray[np.int64]
    """How many others it met in votes that bear on the order."""
    share: FloatArray
    """Its part in all votes, as a share of them: two contestants have a part in each vote, so the
    shares sum to 2. NaN without votes."""
    both_bad_rate: FloatArray
    """Share of its votes in which neither answer was good; NaN without votes."""
    competes: NDArray[np.bool_]
    """Whether it is on the current list; a contestant that is not is retired and stays in view,
    since its votes still tell about those it met."""


def field(posterior: Posterior, current: Collection[str] | None = None) -> Field:
    """`current`: the contestants that compete now. Default: all."""
    board, size = posterior.board, len(posterior.contestants)
    scores = np.where(posterior.linked, posterior.pairs.score, np.nan)
    np.fill_diagonal(scores, np.nan)
    known = np.isfinite(scores).sum(axis=1)
    met = np.zeros((size, size), dtype=bool)
    decided = board.decided.sum(axis=1)
    met[board.left[decided > 0], board.right[decided > 0]] = True
    met |= met.T
    with np.errstate(invalid="ignore"):
        return Field(
            score=np.nansum(scores, axis=1) / np.where(known, known, np.nan),
            votes=board.votes,
            decided=board.per_contestant(decided),
            opponents=met.sum(axis=1),
            share=board.votes / np.float64(board.num_votes),
            both_bad_rate=board.votes_both_bad / board.votes,
            competes=np.array(
                [current is None or name in current for name in posterior.contestants], dtype=bool
            ),
        )
