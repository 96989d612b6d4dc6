"""The analyst page: every figure of the newest posterior, with what can be asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC
from typing import ClassVar

import param
from panel.custom import JSComponent

from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.errors import ArenaError
from rostra.arena.pages.document import no_ratings
from rostra.arena.pages.templates import fill_in, source
from rostra.arena.ratings.classical.comparison import beside as compare
from rostra.arena.ratings.plots.assets import DOCUMENT_CSS, FIGURES_CSS, FIGURES_JS
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.summary.pairs import ROPE_ELO
from rostra.arena.results import Saved
from rostra.arena.texts import FALLBACK
from rostra.arena.votes.store import VoteStore

BY_LEVEL = ("ratings", "difference", "superiority", "ranks", "battles")
"""Figures that have a level of their own; the others are of the whole posterior."""


class AnalystView(JSComponent):
    """A document whose figures are fetched when they come into view."""

    html = param.String()
    base = param.String(doc="What the addresses of the campaign begin with.")
    themes = param.Dict(default={})

    _esm = FIGURES_JS + source("analyst.js")
    _stylesheets: ClassVar[list[str]] = [
        DOCUMENT_CSS + FIGURES_CSS + source("leaderboard.css", "analyst.css")
    ]


async def analyst(campaign: Campaign, store: VoteStore) -> str:
    """HTML of the page, or of how to get ratings, or of what is wrong with them."""
    try:
        styles = await campaign.results.styles()
        labels = {entry.name: entry.label for entry in campaign.contestants}
        drawn = await campaign.results.answer(
            ("analyst", styles), lambda saved: draw(saved, styles, labels)
        )
        num_votes = await asyncio.to_thread(campaign.number_of_votes, store)
    except ArenaError as error:
        return fill_in("error.html", message=str(error))
    return drawn or no_ratings(
        "Analyst",
        num_votes,
        campaign.arena.refresh.interval,
        campaign.texts(FALLBACK),
        campaign.home,
    )


def draw(saved: Saved, styles: frozenset[bool], labels: Mapping[str, str]) -> str:
    # Every plot there is, in the thread that reads results.
    from rostra.arena.ratings.plots.gallery import SECTIONS

    posterior = saved.posterior
    return fill_in(
        "analyst.html",
        posterior=posterior,
        created=posterior.created.astimezone(UTC),
        contestants=[
            (row.contestant, labels.get(row.contestant, row.contestant)) for row in posterior.rows
        ],
        findings=saved.findings or (),
        styles=styles,
        style=bool(posterior.spec.style),
        sections={heading: tuple(plots) for heading, plots in SECTIONS.items()},
        by_level=BY_LEVEL,
        rope=ROPE_ELO,
    )


def beside(posterior: Posterior, labels: Mapping[str, str]) -> str:
    """HTML of the classical estimates beside the Bayesian ones."""
    return fill_in("beside.html", compared=compare(posterior), labels=labels)
