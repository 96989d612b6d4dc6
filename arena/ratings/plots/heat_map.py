"""A matrix of numbers as colours; a number stands in its cell where it fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from bokeh.models import (
    BoxZoomTool,
    ContinuousColorMapper,
    CustomJSHover,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    PanTool,
    Range1d,
    ResetTool,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from rostra.arena.ratings.plots.names import fitted
from rostra.arena.ratings.plots.theme import Theme, ink, style

LABELLED = 60
"""More rows or columns than this are counted off instead of named; hovering and zooming tell."""
NUMBER_WIDTH = 26
"""Pixels that a number in a cell needs."""
WIDEST, AROUND = 1100, 100
"""Pixels of a page, and of what stands around a figure on it."""


def heat_map(
    values: NDArray[np.float64],
    rows: Sequence[str],
    columns: Sequence[str],
    mapper: ContinuousColorMapper,
    inks: Sequence[str],
    theme: Theme,
    write: Callable[[float], str],
    tooltip: str,
    label: str = "",
) -> figure:
    """`values`: [rows, columns], NaN where there is nothing to tell; the first row is on top.

    `write` gives the number in a cell. `tooltip` says what a cell is, with `{row}`, `{column}` and
    `{value}` in it. `label`: of the columns.
    """
    height, width = values.shape
    cell = cell_size(max(height, width))
    named = max(height, width) <= LABELLED
    # 16 pixels below the size of a cell would make names overlap.
    upright = named and max(map(len, columns)) > 2
    plot = figure(
        x_range=Range1d(start=0, end=width),
        y_range=Range1d(start=height, end=0),
        frame_width=cell * width,
        frame_height=cell * height,
        x_axis_location="above",
        x_axis_label=label,
        toolbar_location=None if named else "below",
        tools="",
        min_border_left=30,
        min_border_top=20,
    )
    image = plot.image(  # type: ignore[call-arg]  # the stub lacks `color_mapper`
        image=[values.astype(np.float32)],
        x=0,
        y=0,
        dw=width,
        dh=height,
        color_mapper=mapper,
    )
    _label(plot, rows, columns, named)
    if cell >= NUMBER_WIDTH:
        _numbers(plot, values, mapper, inks, theme, write)
    hover = HoverTool(renderers=[image], tooltips=_sentence(tooltip))
    hover.formatters = {
        "$x": _name(columns, "x"),
        "$y": _name(rows, "y"),
        "@image": _number(),
    }
    plot.add_tools(hover)
    if not named:
        plot.add_tools(BoxZoomTool(match_aspect=True), PanTool(), ResetTool())
        plot.toolbar.autohide = True
    style(plot, theme)
    plot.grid.grid_line_color = None
    plot.xaxis.major_label_orientation = np.pi / 2 if upright else 0
    return plot


def cell_size(number: int) -> int:
    """Pixels, so that a figure of few does not swell and one of many can be seen as a whole."""
    least = 16 if number <= LABELLED else 5
    return max(least, min(48, 720 // number))


def _label(plot: figure, rows: Sequence[str], columns: Sequence[str], named: bool) -> None:
    for axis, names in ((plot.yaxis[0], rows), (plot.xaxis[0], columns)):
        step = 1 if named else 25
        places = [i for i in range(len(names)) if i == 0 or not (i + 1) % step]
        axis.ticker = FixedTicker(ticks=[i + 0.5 for i in places])
        if named:
            # Whoever hovers reads them whole.
            beside = AROUND + float(plot.frame_width or 0)
            axis.formatter = fitted(names, share=1, widest=WIDEST, beside=beside)
        else:
            axis.major_label_overrides = {i + 0.5: str(i + 1) for i in places}


def _numbers(
    plot: figure,
    values: NDArray[np.float64],
    mapper: ContinuousColorMapper,
    inks: Sequence[str],
    theme: Theme,
    write: Callable[[float], str],
) -> None:
    row, column = np.nonzero(np.isfinite(values))
    shown = values[row, column]
    look = ink(theme, "11px")
    look["text_color"] = {
        "field": "value",
        "transform": LinearColorMapper(palette=list(inks), low=mapper.low, high=mapper.high),
    }
    plot.text(
        "x",
        "y",
        "text",
        source={
            "x": column + 0.5,
            "y": row + 0.5,
            "value": shown,
            "text": [write(number) for number in shown.tolist()],
        },
        text_align="center",
        **look,
    )


def _sentence(tooltip: str) -> str:
    text = tooltip.format(row="$y{custom}", column="$x{custom}", value="@image{custom}")
    return f"<div style='max-width: 22em'>{text}</div>"


def _name(names: Sequence[str], axis: str) -> CustomJSHover:
    return CustomJSHover(
        args={"names": list(names), "axis": axis},
        code="return names[Math.floor(special_vars[axis])] ?? ''",
    )


def _number() -> CustomJSHover:
    return CustomJSHover(code="return isNaN(value) ? 'not known' : String(+value.toPrecision(3))")
