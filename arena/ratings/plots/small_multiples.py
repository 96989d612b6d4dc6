"""Several small figures on one scale, as many to a line as the page is wide."""

from __future__ import annotations

from collections.abc import Sequence

from bokeh.models import Row
from bokeh.plotting import figure

WIDTH = 300
"""Pixels: one to a line on a phone, three on a desk."""
LONGEST_TITLE = 28
"""Characters."""


def small_multiples(plots: Sequence[figure]) -> Row:
    """Wraps; every figure of `plots` keeps its size."""
    return Row(
        children=list(plots),
        sizing_mode="stretch_width",
        styles={"flex-wrap": "wrap"},
        spacing=8,
    )
