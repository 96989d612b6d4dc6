"""Sentences and orders that several figures share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from bokeh.models import CustomJSTickFormatter
from numpy.typing import NDArray

from rostra.arena.ratings.plots.fonts import FONT, LABEL_SIZE
from rostra.arena.ratings.posterior import Posterior

_FITTED_JS = (Path(__file__).parent / "fitted.js").read_text(encoding="utf-8")


def by_rating(posterior: Posterior) -> NDArray[np.int64]:
    """[contestants], places in `posterior.contestants` by descending rating."""
    names = posterior.contestants
    return np.array([names.index(row.contestant) for row in posterior.rows], dtype=np.int64)


def fitted(
    names: Sequence[str] | None = None,
    *,
    share: float,
    widest: float,
    beside: float = 0,
    least: float = 120,
    size: str = LABEL_SIZE,
) -> CustomJSTickFormatter:
    """Labels of an axis of names: cut where the window has no room for them, measured there.

    `names`: by their place on the axis; None where its factors are the names. They have `share` of
    the window, of which no more than `widest` pixels count, less `beside` pixels, and never less
    than `least`. `size`: of the font, as on the axis.
    """
    args = {"names": None if names is None else list(names), "font": f"{size} {FONT}"}
    numbers = {"share": share, "widest": widest, "beside": beside, "least": least}
    return CustomJSTickFormatter(args=args | numbers, code=_FITTED_JS)


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
