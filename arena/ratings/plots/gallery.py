"""All figures of a posterior, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rostra.arena.ratings.plots.battles import battles
from rostra.arena.ratings.plots.categories import categories
from rostra.arena.ratings.plots.chain_ranks import chain_ranks
from rostra.arena.ratings.plots.coefficients import coefficients
from rostra.arena.ratings.plots.difference import difference
from rostra.arena.ratings.plots.drift import drift
from rostra.arena.ratings.plots.history import Result, history
from rostra.arena.ratings.plots.intervals import intervals
from rostra.arena.ratings.plots.judges import judges
from rostra.arena.ratings.plots.plot import Plot
from rostra.arena.ratings.plots.predicted import predicted
from rostra.arena.ratings.plots.price import price
from rostra.arena.ratings.plots.ranks import ranks
from rostra.arena.ratings.plots.superiority import superiority
from rostra.arena.ratings.plots.traces import traces
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.summary.pairs import ROPE_ELO


@dataclass(frozen=True)
class Question:
    """What is asked of a posterior besides the posterior itself."""

    prices: Mapping[str, float]
    """Of a million output tokens, by contestant."""
    currency: str = ""
    earlier: Sequence[Result] = ()
    """Results of former runs, the newest among them."""
    first: str | None = None
    """The two whose difference is asked for; default: the highest rated."""
    second: str | None = None
    rope: float = ROPE_ELO


SECTIONS: Mapping[str, Mapping[str, Callable[[Posterior, Question], Plot | None]]] = {
    "Order": {
        "ratings": lambda posterior, _: intervals(posterior),
        "difference": lambda posterior, asked: (
            difference(posterior, asked.first, asked.second, asked.rope)
            if len(posterior.contestants) > 1
            else None
        ),
        "superiority": lambda posterior, _: superiority(posterior),
        "ranks": lambda posterior, _: ranks(posterior),
        "history": lambda _, asked: history(asked.earlier),
        "price": lambda posterior, asked: price(posterior, asked.prices, asked.currency),
    },
    "What moves it": {
        "categories": lambda posterior, _: categories(posterior),
        "drift": lambda posterior, _: drift(posterior),
        "coefficients": lambda posterior, _: coefficients(posterior),
        "judges": lambda posterior, _: judges(posterior),
    },
    "Whether to believe it": {
        "battles": lambda posterior, _: battles(posterior),
        "predicted": lambda posterior, _: predicted(posterior),
        "traces": lambda posterior, _: traces(posterior),
        "chain-ranks": lambda posterior, _: chain_ranks(posterior),
    },
}
"""By heading, by `Plot.name`; None where the posterior has nothing of the kind."""

PLOTS = {name: make for drawn in SECTIONS.values() for name, make in drawn.items()}
"""By `Plot.name`."""


def gallery(posterior: Posterior, asked: Question) -> Iterator[tuple[str, list[Plot]]]:
    """Each heading with the figures under it; headings without any are left out."""
    for heading, drawn in SECTIONS.items():
        plots = [plot for make in drawn.values() if (plot := make(posterior, asked)) is not None]
        if plots:
            yield heading, plots
