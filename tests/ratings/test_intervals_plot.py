from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bokeh.models import ColumnDataSource
from ratings_boards import made_up_posterior

from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.plots.intervals import ROW_HEIGHT, intervals
from rostra.arena.ratings.plots.report import write_html

MEANS = np.array([0.8, -0.3, 0.1])


def test_the_figure_shows_the_table_in_its_order() -> None:
    posterior = made_up_posterior(MEANS)
    plot = intervals(posterior)
    rows = posterior.table()
    assert plot.y_range.factors == [row.contestant for row in reversed(rows)]
    data = plot.select_one(ColumnDataSource).data
    assert data["rating"] == [row.rating for row in rows]
    assert list(zip(data["low_94"], data["high_94"], strict=True)) == [r.eti_94 for r in rows]
    assert list(zip(data["low_50"], data["high_50"], strict=True)) == [r.eti_50 for r in rows]
    assert plot.x_range.start < min(data["low_94"])
    assert plot.x_range.end > max(data["high_94"])
    assert plot.title.text == ""


def test_a_failed_diagnosis_is_in_the_figure() -> None:
    plot = intervals(made_up_posterior(MEANS, findings=("The chains disagree.",)))
    assert plot.title.text == "Do not rely on these ratings"


def test_the_figure_grows_with_the_field() -> None:
    small, large = (
        intervals(made_up_posterior(np.linspace(1, -1, size), draws=50)) for size in (3, 60)
    )
    assert large.height - small.height == 57 * ROW_HEIGHT


WRITE = """
import sys
from pathlib import Path
import numpy as np
from ratings_boards import made_up_posterior
from rostra.arena.ratings.plots.intervals import intervals
from rostra.arena.ratings.plots.report import write_html
plot = intervals(made_up_posterior(np.array([0.8, -0.3, 0.1])))
write_html(plot, Path(sys.argv[1]), "Ratings", "Two <b>.")
"""


def test_the_page_needs_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "intervals.html"
    # In a process of its own, as `rostra rate` is: Panel, once imported, adds scripts of its own to
    # every page that Bokeh writes.
    subprocess.run(
        [sys.executable, "-c", WRITE, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        check=True,
    )
    page = path.read_text(encoding="utf-8")
    assert not re.findall(r"<(?:script|link)[^>]+(?:src|href)=", page)
    assert "c00" in page
    assert "<b>" not in page.split("<body>")[1].split("application/json")[0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["intervals.html"]


def test_a_page_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(RatingsError, match="cannot write"):
        write_html(
            intervals(made_up_posterior(MEANS)), tmp_path / "no" / "such.html", "Ratings", ""
        )
