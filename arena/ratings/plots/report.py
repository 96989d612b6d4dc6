"""Everything about a posterior as one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any, Protocol

from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.plots.assets import (
    DOCUMENT_CSS,
    FIGURES_CSS,
    FIGURES_JS,
    HERE,
    TOKENS_CSS,
    themes,
)
from rostra.arena.ratings.plots.bars import Axis, ranks, spoken
from rostra.arena.ratings.plots.gallery import Question, gallery
from rostra.arena.ratings.plots.history import Result
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.summary.parameters import parameters

REPORT_CSS = (HERE / "report.css").read_text(encoding="utf-8")


class Finding(Protocol):
    """What an audit found, in a sentence."""

    @property
    def verdict(self) -> str: ...

    @property
    def sentence(self) -> str: ...


def write_report(
    posterior: Posterior,
    path: Path,
    findings: Sequence[Finding] = (),
    prices: Mapping[str, float] | None = None,
    currency: str = "",
    earlier: Sequence[Result] = (),
) -> Path:
    """Writes the report to `path`, replacing what is there in one step; returns `path`.

    `findings`: of an audit of the same votes. `prices`: see `plots.price`. `earlier`: results of
    former runs, this one among them, for the course of the ratings.

    Raises:
        RatingsError: the file cannot be written.
    """
    asked = Question(prices=prices or {}, currency=currency, earlier=earlier)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(report(posterior, findings, asked), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise RatingsError(f"cannot write {path}: {error}") from error
    return path


def report(posterior: Posterior, findings: Sequence[Finding], asked: Question) -> str:
    """The page."""
    sections = [
        (heading, [plot.payload() for plot in plots])
        for heading, plots in gallery(posterior, asked)
    ]
    templates = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("report.html").render(
        posterior=posterior,
        created=posterior.created.astimezone(UTC),
        rows=posterior.rows,
        axis=Axis.around(posterior.rows),
        ranks=ranks,
        spoken=spoken,
        parameters=parameters(posterior),
        findings=findings,
        headings=[(heading, [plot["name"] for plot in plots]) for heading, plots in sections],
        plots=packed([plot for _, plots in sections for plot in plots]),
        themes=in_script(themes()),
        # Only what figures need; `Resources` would add widgets, tables and WebGL.
        bokeh=Markup(Resources(mode="inline", components=["bokeh"]).render_js()),
        script=Markup(FIGURES_JS),
        style=Markup(TOKENS_CSS + DOCUMENT_CSS + FIGURES_CSS + REPORT_CSS),
    )


def packed(value: Any) -> str:
    """`value` as JSON, by gzip, in base64. The same value gives the same text."""
    return base64.b64encode(gzip.compress(json.dumps(value).encode(), mtime=0)).decode()


def in_script(value: Any) -> Markup:
    """`value` as JSON that cannot end the element it stands in."""
    return Markup(json.dumps(value).replace("</", "<\\/").replace("<!--", "<\\!--"))
