"""How every figure looks: the tokens of the pages, light and dark."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import colorcet
from bokeh.core.properties import value
from bokeh.models import Axis, ContinuousTicker
from bokeh.models.annotations import Legend, Span, Title
from bokeh.plotting import figure

from rostra.arena.ratings.plots.fonts import FONT, LABEL_SIZE


@dataclass(frozen=True)
class Theme:
    """Colours by what they are for. Those of `LIGHT` are distinct, so that a figure drawn with
    them can be turned into one of `DARK` colour by colour, as `figures.js` does."""

    a: str
    """Of the answer on the left, and of whoever is asked about; the one accent."""
    b: str
    """Of the answer on the right, and of whoever that one is compared with."""
    tie: str
    surface: str
    line: str
    text: str
    text_2: str
    chains: tuple[str, str, str, str]
    """Okabe and Ito 2008, Color universal design; repeated where there are more chains."""
    diverging: tuple[str, ...]
    """Perceptually uniform, from what favours the other (0) by the middle (0.5) to what favours
    the one asked about (1); for the colour-blind (Kovesi 2015, arXiv 1509.03700)."""
    sequential: tuple[str, ...]
    """Perceptually uniform, from nothing to most."""
    diverging_ink: tuple[str, ...] = field(init=False)
    """Of a number on each colour of `diverging`."""
    sequential_ink: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "diverging_ink", tuple(map(_ink_on, self.diverging)))
        object.__setattr__(self, "sequential_ink", tuple(map(_ink_on, self.sequential)))


def _ink_on(colour: str) -> str:
    """Black or white, whichever has the contrast of WCAG 2.2 (1.4.3): of any colour one has 4.5."""
    srgb = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in srgb)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if luminance > 0.179 else "#ffffff"


LIGHT = Theme(
    a="#0072b2",
    b="#d55e00",
    tie="#6b7280",
    surface="#ffffff",
    line="#d3d8de",
    text="#16191d",
    text_2="#4d5660",
    chains=("#0072b3", "#d55e01", "#009e73", "#cc79a7"),
    diverging=tuple(reversed(colorcet.CET_CBD1)),
    sequential=tuple(colorcet.CET_L12[:240]),
)
DARK = Theme(
    a="#2e9bd6",
    b="#e8772a",
    tie="#9aa3ad",
    surface="#1a1d21",
    line="#353b43",
    text="#e9ecef",
    text_2="#a9b2bc",
    chains=("#2e9bd7", "#e8772b", "#22b98c", "#d98db8"),
    diverging=tuple(reversed(colorcet.bky)),
    sequential=tuple(colorcet.CET_CBL2[16:120]),
)


def style(plot: figure, theme: Theme) -> figure:
    """`plot` with everything that figures have in common."""
    plot.toolbar.logo = None
    plot.outline_line_color = None
    # With alpha: Bokeh leaves out what equals a default, so plain white could not be repainted.
    plot.background_fill_color = theme.surface + "ff"
    plot.border_fill_color = theme.surface + "ff"
    plot.grid.grid_line_color = theme.line
    plot.axis.axis_line_color = None
    plot.axis.major_tick_line_color = None
    plot.axis.minor_tick_line_color = None
    plot.axis.major_label_text_font = FONT
    plot.axis.major_label_text_font_size = LABEL_SIZE
    plot.axis.major_label_text_color = theme.text
    plot.axis.axis_label_text_font = FONT
    plot.axis.axis_label_text_font_size = LABEL_SIZE
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.axis_label_text_color = theme.text_2
    for legend in cast("Iterable[Legend]", plot.select(Legend)):
        legend.background_fill_color = theme.surface
        legend.border_line_color = None
        legend.label_text_font = FONT
        legend.label_text_font_size = LABEL_SIZE
        legend.label_text_color = theme.text
    return plot


def ticks(axes: Iterable[Axis], number: int) -> None:
    """About `number` of them on each of `axes`, which are of numbers or of moments."""
    for axis in axes:
        cast("ContinuousTicker", axis.ticker).desired_num_ticks = number


def title(text: str, theme: Theme) -> Title:
    """A heading within a figure, for small multiples. It does not wrap: keep it short."""
    return Title(
        text=text,
        text_font=FONT,
        text_font_size=LABEL_SIZE,
        text_font_style="bold",
        text_color=theme.text,
    )


def ink(theme: Theme, size: str = "12px") -> dict[str, Any]:
    """Of text among marks; arguments of a glyph."""
    return {
        "text_font": value(FONT),
        "text_font_size": size,
        "text_color": theme.text,
        "text_baseline": "middle",
    }


def dot(theme: Theme, size: int = 8) -> dict[str, Any]:
    """Of a mean on its interval; arguments of a glyph."""
    return {
        "size": size,
        "fill_color": theme.surface,
        "line_color": theme.text,
        "line_width": 1.5,
    }


def at_zero(theme: Theme) -> Span:
    """The line that no effect lies on."""
    return Span(location=0, dimension="height", line_color=theme.text_2, line_dash="dotted")
