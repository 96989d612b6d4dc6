"""Counts in, posterior out."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.diagnostics import diagnose
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.sampling import Progress, chosen_sampler, sample
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec

LIBRARIES = ("rostra", "pymc", "pytensor", "arviz", "numpy")


def fit(
    counts: Board,
    settings: FitSettings = FitSettings(),  # noqa: B008 - frozen
    progress: Progress | None = None,
    spec: ModelSpec = ModelSpec(),  # noqa: B008 - frozen
    provenance: Provenance = Provenance(),  # noqa: B008 - frozen
) -> Posterior:
    """The posterior of the model that `spec` names, given `counts`.

    The first fit with a number of contestants compiles for it, tens of seconds; later ones in the
    same process sample at once. Blocks, and may be called from any thread.

    Raises:
        RatingsError: fewer than two contestants, no vote that bears on the order, an anchor that
            is no contestant, or a sampler that is not installed.
    """
    _check(counts, settings)
    sampler = chosen_sampler(settings)
    draws = sample(counts, settings, progress)
    return Posterior(
        draws=draws.values,
        board=counts,
        spec=spec,
        settings=settings,
        diagnostics=diagnose(draws.values, draws.divergences, counts),
        provenance=provenance,
        versions={
            name: version(name)
            for name in (*LIBRARIES, *(("nutpie",) if sampler == "nutpie" else ()))
        },
        created=datetime.now(UTC),
    )


def _check(counts: Board, settings: FitSettings) -> None:
    """Everything that can be refused before the long wait."""
    if len(counts.contestants) < 2:
        named = f"only {counts.contestants[0]!r}" if counts.contestants else "none"
        raise RatingsError(f"ratings compare at least two contestants; the votes name {named}")
    if not counts.num_decided:
        found = (
            f"all {counts.num_votes:,} votes are 'both bad', which says nothing on the order"
            if counts.num_votes
            else "there are no votes"
        )
        raise RatingsError(f"nothing to rate from: {found}; collect votes for A, B or tie first")
    anchor = settings.anchor.name
    if anchor is not None and anchor not in counts.contestants:
        raise RatingsError(
            f"anchor {anchor!r} is not a contestant; take one of {', '.join(counts.contestants)}"
        )
