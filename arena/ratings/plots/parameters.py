"""Which parameters a figure of the chains shows, and by what names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.posterior import DIMS, Posterior

MOST = 4
"""Contestants whose chains are shown besides the parameters without dimensions."""
IN_WORDS = {
    "scale": "spread of strengths",
    "side": "side",
    "tie": "ties",
    "bad_mean": "both bad",
    "bad_scale": "spread of both bad",
    "level_scale": "spread of levels",
}


def watched(posterior: Posterior) -> dict[str, NDArray[np.float64]]:
    """By name, each [chains, draws] of log odds.

    Every parameter without dimensions, and the strengths that the chains agree on least: if these
    look well, so do the others.
    """
    scalars = {
        IN_WORDS.get(name, name): values
        for name, values in posterior.draws.items()
        if not DIMS[name] and np.ptp(values) > 0
    }
    strengths = posterior.strengths
    # Spread of the chains' means in standard deviations: R-hat's own question, without arviz.
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = strengths.mean(axis=1).std(axis=0) / strengths.std(axis=(0, 1))
    worst = np.argsort(-np.nan_to_num(apart), kind="stable")[:MOST]
    return scalars | {posterior.contestants[i]: strengths[..., i] for i in worst}
