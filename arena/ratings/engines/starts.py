"""Where chains start that would not leave the mirror image of a posterior."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
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


def started(model: Any, strength: FloatArray) -> Any:
    """nutpie's compiled `model` with chains that start at these strengths. In its coordinates they
    stand behind the scale, as `models.blocks.strengths` makes them."""
    # Here, as models whose density is written by hand need no PyMC, which takes seconds to import.
    import pytensor.tensor as pt
    from pymc.distributions.transforms import ZeroSumTransform

    transform = ZeroSumTransform(zerosum_axes=[0])
    place = np.asarray(transform.forward(pt.as_tensor(strength)).eval())
    otherwise: Callable[[int], FloatArray] = model.initial_point_func

    def start(seed: int) -> FloatArray:
        point = np.array(otherwise(seed))
        point[1 : 1 + len(place)] = place
        return point

    return replace(model, initial_point_func=start)
