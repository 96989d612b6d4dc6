"""Counts in, posterior out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.diagnostics import diagnose
from rostra.arena.ratings.engines.draws import Draws, Progress
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.provenance import Provenance
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec


def fit(
    board: Board,
    settings: FitSettings = FitSettings(),  # noqa: B008 - frozen
    progress: Progress | None = None,
    spec: ModelSpec = ModelSpec(),  # noqa: B008 - frozen
    provenance: Provenance = Provenance(),  # noqa: B008 - frozen
) -> Posterior:
    """The posterior of the model that `spec` names, given `board`.

    Where no vote is "both bad" the model leaves that outcome out, and the posterior's `spec` says
    so.

    The first fit on a machine compiles, tens of seconds, and keeps that on disk; by PyMC's own
    sampler the first of each model in a process does. Blocks, and may be called from any thread.

    Raises:
        RatingsError: fewer than two contestants, no vote that bears on the order, an anchor that
            is no contestant, a factor or covariate that the board does not have, or a sampler that
            is not installed.
    """
    _check(board, settings, spec)
    if spec.both_bad == "own" and not board.both_bad.any():
        # Nobody used it, or nobody could: there is nothing to learn of it, and priors sample badly.
        spec = replace(spec, both_bad="out")
    draws = _draws(board, settings, progress, spec)
    return Posterior(
        draws=draws.values,
        board=board,
        spec=spec,
        settings=settings,
        diagnostics=diagnose(draws, board, spec),
        provenance=provenance,
        versions={name: version(name) for name in ("rostra", "arviz", *draws.libraries)},
        created=datetime.now(UTC),
    )


def _draws(
    board: Board, settings: FitSettings, progress: Progress | None, spec: ModelSpec
) -> Draws:
    """By the engine that is asked for, or by NUTS with a note where that one cannot."""
    # Engines are imported here, since each takes seconds and one is enough.
    if settings.engine == "nuts":
        from rostra.arena.ratings.engines import nuts

        return nuts.sample(board, spec, settings, progress)
    from rostra.arena.ratings.engines import laplace

    try:
        return laplace.approximate(board, spec, settings)
    except laplace.NotApproximated as why:
        instead = _draws(board, replace(settings, engine="nuts"), progress, spec)
        note = f"Sampled by NUTS, as the Laplace approximation does not hold here: {why}"
        return replace(instead, notes=(*instead.notes, note))


def _check(board: Board, settings: FitSettings, spec: ModelSpec) -> None:
    """Everything that can be refused before the long wait."""
    if len(board.contestants) < 2:
        named = f"only {board.contestants[0]!r}" if board.contestants else "none"
        raise RatingsError(f"ratings compare at least two contestants; the votes name {named}")
    if not (board.num_votes if spec.both_bad == "tie" else board.num_decided):
        found = (
            f"all {board.num_votes:,} votes are 'both bad', which says nothing on the order"
            if board.num_votes
            else "there are no votes"
        )
        raise RatingsError(f"nothing to rate from: {found}; collect votes for A, B or tie first")
    anchor = settings.anchor.name
    if anchor is not None and anchor not in board.contestants:
        raise RatingsError(
            f"anchor {anchor!r} is not a contestant; take one of {', '.join(board.contestants)}"
        )
