"""What a run logged as figures: one HTML file that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bokeh.embed import file_html
from bokeh.layouts import column
from bokeh.models import HoverTool
from bokeh.models.renderers import GlyphRenderer
from bokeh.plotting import figure
from bokeh.resources import Resources

FIGURES = (
    ("Loss", ("loss", "eval_loss")),
    ("Reward accuracy", ("rewards/accuracies", "eval_rewards/accuracies")),
    ("Reward margin", ("rewards/margins", "eval_rewards/margins")),
    ("Token accuracy", ("mean_token_accuracy", "eval_mean_token_accuracy")),
    ("Learning rate", ("learning_rate",)),
)
"""Title, and what is drawn in it where the run logged it; what is evaluated has dots."""
RESOURCES = Resources(mode="inline")
COLOURS = ("#0072b2", "#d55e00")
"""Okabe and Ito 2008, Color universal design."""


def write_plots(metrics: Sequence[dict[str, Any]], path: Path) -> None:
    """One figure for each of `FIGURES` that has values."""
    drawn = [_figure(title, names, metrics) for title, names in FIGURES if _has(names, metrics)]
    page = file_html(column(drawn), resources=RESOURCES, title="Metrics of the run")
    path.write_text(page, encoding="utf-8")


def _has(names: Sequence[str], metrics: Sequence[dict[str, Any]]) -> bool:
    return any(name in each for name in names for each in metrics)


def _figure(title: str, names: Sequence[str], metrics: Sequence[dict[str, Any]]) -> figure:
    plot = figure(
        title=title, width=760, height=260, x_axis_label="step", toolbar_location=None, tools=""
    )
    for name, colour in zip(names, COLOURS, strict=False):
        points = [(each["step"], each[name]) for each in metrics if name in each]
        if not points:
            continue
        steps, values = zip(*points, strict=True)
        held_out = name.startswith("eval_")
        label = "held out" if held_out else "trained on"
        drawn: GlyphRenderer[Any] = plot.line(
            steps, values, color=colour, legend_label=label, line_width=1.5
        )
        if held_out:
            drawn = plot.scatter(steps, values, color=colour, legend_label=label, size=6)
        plot.add_tools(
            HoverTool(renderers=[drawn], tooltips=[("step", "@x"), (label, "@y{0.0000}")])
        )
    plot.xaxis.minor_tick_line_color = None
    return plot
