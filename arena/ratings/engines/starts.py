"""Where chains start that would not leave the mirror image of a posterior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def log_odds(data: Mapping[str, NDArray[Any]], size: int) -> FloatArray:
    """[size] log odds of winning, centred, with one vote more each way: the order as most voters
    see it. `data` has cells by `left`, `right` and `votes` [cells, 3] of left, tie and right.

    Where voters may be contrary, all strengths turned round and most voters contrary fit the votes
    as well, and by the prior hardly ever are. From the centre a chain falls to either side, and
    stays there.
    """
    left, right, votes = data["left"], data["right"], data["votes"]
    won, lost = (
        np.bincount(left, votes[:, one], size) + np.bincount(right, votes[:, other], size)
        for one, other in ((0, 2), (2, 0))
    )
    found = np.log((won + 1.0) / (lost + 1.0))
    return np.asarray(found - found.mean())
