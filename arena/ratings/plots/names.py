"""Sentences and orders that several figures share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.posterior import Posterior


def by_rating(posterior: Posterior) -> NDArray[np.int64]:
    """[contestants], places in `posterior.contestants` by descending rating."""
    names = posterior.contestants
    return np.array([names.index(row.contestant) for row in posterior.rows], dtype=np.int64)


def shortened(names: Sequence[str], most: int) -> list[str]:
    """To `most` characters, cut in the middle: ends tell versions and sizes. Names that this would
    make alike stay whole."""
    tail = most // 2
    cut = [
        name if len(name) <= most else f"{name[: most - tail - 1]}…{name[-tail:]}" for name in names
    ]
    alike = {name for name, times in Counter(cut).items() if times > 1}
    return [name if short in alike else short for name, short in zip(names, cut, strict=True)]


def listed(names: Iterable[str], most: int = 3) -> str:
    """The first `most` in a sentence, and how many more there are."""
    names = list(names)
    if len(names) <= most:
        return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "none"
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def span(interval: Sequence[float], digits: int = 0) -> str:
    return f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}"


def chance(probability: float) -> str:
    """In per cent; never certainty where the draws merely agree."""
    if probability < 0.001:
        return "less than 0.1 %"
    if probability > 0.999:
        return "more than 99.9 %"
    return f"{100 * probability:.1f} %"
