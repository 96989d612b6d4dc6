from __future__ import annotations

import numpy as np
from bokeh.models import ColumnDataSource
from ratings_boards import made_up_posterior

from rostra.arena.ratings.plots.intervals import ROW_HEIGHT, intervals

MEANS = np.array([0.8, -0.3, 0.1])


def test_the_figure_shows_the_table_in_its_order() -> None:
    posterior = made_up_posterior(MEANS)
    plot = intervals(posterior)
    rows = posterior.table()
    assert plot.figure.y_range.factors == [row.contestant for row in reversed(rows)]
    data = plot.figure.select_one(ColumnDataSource).data
    assert data["rating"] == [row.rating for row in rows]
    assert list(zip(data["low_94"], data["high_94"], strict=True)) == [r.eti_94 for r in rows]
    assert list(zip(data["low_50"], data["high_50"], strict=True)) == [r.eti_50 for r in rows]
    assert plot.figure.x_range.start < min(data["low_94"])
    assert plot.figure.x_range.end > max(data["high_94"])
    assert plot.figure.title.text == ""
    assert plot.table["contestant"].to_list() == [row.contestant for row in rows]


def test_a_failed_diagnosis_is_in_the_figure() -> None:
    plot = intervals(made_up_posterior(MEANS, findings=("The chains disagree.",)))
    assert plot.figure.title.text == "Do not rely on these ratings"


def test_the_figure_grows_with_the_field() -> None:
    small, large = (
        intervals(made_up_posterior(np.linspace(1, -1, size), draws=50)).figure for size in (3, 60)
    )
    assert large.height - small.height == 57 * ROW_HEIGHT
