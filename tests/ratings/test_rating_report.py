from __future__ import annotations

import base64
import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ratings_boards import made_up_posterior

from rostra.arena.ratings.audit.finding import Finding
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.plots.assets import TOKENS_CSS, themes
from rostra.arena.ratings.plots.report import write_report

MEANS = np.array([0.8, -0.3, 0.1])
WRITE = """
import sys
from pathlib import Path
import numpy as np
from ratings_boards import made_up_posterior
from rostra.arena.ratings.plots.report import write_report
write_report(made_up_posterior(np.array([0.8, -0.3, 0.1])), Path(sys.argv[1]))
assert not {"panel", "pymc", "sqlalchemy"} & set(sys.modules)
"""


def test_the_page_needs_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    # In a process of its own, as `rostra rate` is: Panel, once imported, adds to what Bokeh writes.
    subprocess.run(
        [sys.executable, "-c", WRITE, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        check=True,
    )
    page = path.read_text(encoding="utf-8")
    loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"([^\"]*)\"", page)
    assert loaded == ["data:,"]
    assert "url(http" not in page
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def plots_in(page: str) -> dict[str, dict[str, object]]:
    found = re.search(r'id="plots">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    plots = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return {plot["name"]: plot for plot in plots}


def test_it_tells_what_was_found_and_holds_each_figure_once(tmp_path: Path) -> None:
    finding = Finding("side_bias", "warning", "The left is <b>favoured</b>.")
    posterior = made_up_posterior(MEANS)
    page = write_report(posterior, tmp_path / "r.html", [finding]).read_text(encoding="utf-8")
    assert "The left is &lt;b&gt;favoured&lt;/b&gt;." in page
    assert posterior.summary in page
    plots = plots_in(page)
    for name, plot in plots.items():
        assert page.count(f'<section class="card" id="{name}">') == 1
        assert plot["csv"].count("\n") > 1
    assert {"ratings", "difference", "superiority", "ranks", "battles", "traces"} <= set(plots)


def test_names_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    posterior = made_up_posterior(MEANS)
    hostile = "</script><script>harm()</script>"
    board = posterior.board
    object.__setattr__(board, "contestants", (hostile, *board.contestants[1:]))
    page = write_report(posterior, tmp_path / "r.html").read_text(encoding="utf-8")
    assert hostile not in page
    assert any(hostile in str(plot["csv"]) for plot in plots_in(page).values())


def test_a_page_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(RatingsError, match="cannot write"):
        write_report(made_up_posterior(MEANS), tmp_path / "no" / "such.html")


def test_figures_and_pages_have_the_same_colours() -> None:
    light, dark = themes()["light"], themes()["dark"]
    for name in ("tie", "surface", "line", "text", "text_2"):
        both = f"light-dark({light[name]}, {dark[name]})"
        assert f"--{name.replace('_', '-')}: {both};" in TOKENS_CSS


def test_each_colour_of_the_light_theme_has_one_meaning() -> None:
    """Or a figure could not be repainted."""
    light = themes()["light"]
    colours = [value for value in light.values() if isinstance(value, str)] + list(light["chains"])
    assert len(set(colours)) == len(colours)
