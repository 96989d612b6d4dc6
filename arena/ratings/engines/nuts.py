"""Draws by NUTS: nutpie where it is installed, PyMC's own sampler otherwise.

nutpie takes the densities of `densities`, those of the structure "overall" and of "both bad" in the
coordinates of `whitening`, and never PyMC's graph, which takes far longer to compile than to sample
from. PyMC's sampler takes the graph; what is built depends on the model and on the number of
contestants and levels only, so it is kept and given other votes. PyMC is imported only there.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings import models
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.engines import densities, latent_models, starts, structure_densities
from rostra.arena.ratings.engines.densities import Density
from rostra.arena.ratings.engines.draws import Draws, Progress
from rostra.arena.ratings.engines.latent import LatentModel
from rostra.arena.ratings.engines.newton import NotApproximated
from rostra.arena.ratings.engines.schedule import Schedule, schedule
from rostra.arena.ratings.engines.whitening import Whitened, whiten
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.models import values
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec

if TYPE_CHECKING:
    import pymc as pm

KEPT_MODELS = 8
LIBRARIES = ("numpy", "scipy", "numba")

# PyMC models are changed in place when they get other data.
_lock = threading.RLock()
_kept: dict[tuple[Any, ...], Any] = {}


@dataclass(frozen=True)
class Part:
    """Parameters of a model that share no likelihood with the others, so sampled by themselves."""

    key: tuple[Any, ...]
    """Equal where the same compiled model will do."""
    build: Callable[[], pm.Model]
    data: dict[str, NDArray[Any]]
    variables: tuple[str, ...]
    density: Density | Whitened | None
    """By hand; None for PyMC's sampler, which takes the graph."""
    strength: NDArray[np.float64] | None = None
    """Where all chains of PyMC's sampler start. None: at random places, so that R-hat sees a chain
    that stays in its own; but not where the posterior has a mirror image of hardly any
    probability."""

    def schedule(self, settings: FitSettings) -> Schedule:
        return schedule(settings, whitened=isinstance(self.density, Whitened))


def sample(
    board: Board, spec: ModelSpec, settings: FitSettings, progress: Progress | None
) -> Draws:
    """Draws from the posterior of `board`. One fit at a time in a process; others wait."""
    sampler = chosen_sampler(settings)
    parts = _parts(board, spec, sampler)
    total = sum(part.schedule(settings).total for part in parts)
    drawn: dict[str, NDArray[np.float64]] = {}
    divergences = done = 0
    with _lock:
        for part in parts:
            here = part.schedule(settings)
            found, diverged = _draw(part, sampler, here, _reporter(progress, done, total))
            drawn |= found
            divergences += diverged
            done += here.total
    return Draws(
        values={name: drawn[name] for name in models.variables(spec)},
        divergences=divergences,
        libraries=(
            *LIBRARIES,
            *(("nutpie",) if sampler == "nutpie" else ("pymc", "pytensor")),
        ),
    )


def chosen_sampler(settings: FitSettings) -> str:
    """`nutpie` or `pymc`. Raises RatingsError when nutpie is asked for and is not installed."""
    installed = find_spec("nutpie") is not None
    if settings.sampler == "nutpie" and not installed:
        raise RatingsError("nutpie is not installed: pip install nutpie, or take sampler 'pymc'")
    if settings.sampler == "auto":
        return "nutpie" if installed else "pymc"
    return settings.sampler


def _parts(board: Board, spec: ModelSpec, sampler: str) -> list[Part]:
    size = len(board.contestants)
    order = replace(spec, both_bad="out") if spec.both_bad == "own" else spec
    data = models.data(board, order)
    levels = 0 if spec.factor is None else len(board.factors[spec.factor].levels)
    by_hand = sampler == "nutpie"
    parts = [
        Part(
            key=("order", order, size, levels),
            build=partial(models.build, board, order),
            data=data,
            variables=models.variables(order),
            density=_order(size, levels, order, data) if by_hand else None,
            strength=starts.log_odds(data, size) if spec.structure == "voters" else None,
        )
    ]
    if spec.both_bad == "own":
        pairs = values.both_bad(board)
        parts.append(
            Part(
                key=("both bad", spec.priors, size),
                build=partial(models.build_both_bad, board, spec),
                data=pairs,
                variables=models.BOTH_BAD_VARIABLES,
                density=_whitened(
                    densities.both_bad(size, spec, pairs),
                    latent_models.both_bad(size, spec, pairs),
                )
                if by_hand
                else None,
            )
        )
    return parts


def _order(
    size: int, levels: int, spec: ModelSpec, data: dict[str, NDArray[Any]]
) -> Density | Whitened:
    density = structure_densities.density(size, levels, spec, data)
    if spec.structure != "overall":
        return density
    return _whitened(density, latent_models.order(size, spec, data))


def _whitened(density: Density, model: LatentModel) -> Density | Whitened:
    try:
        return whiten(density, model)
    except NotApproximated:  # the model's own coordinates always do, with more work
        return density


def _draw(
    part: Part, sampler: str, schedule: Schedule, report: Callable[[int], None]
) -> tuple[dict[str, NDArray[np.float64]], int]:
    if sampler == "pymc":
        from rostra.arena.ratings.engines import by_pymc

        with _numba():
            model = _keep(part.key, part.build)
            return by_pymc.sample_model(
                model, part.data, part.variables, schedule, report, part.strength
            )
    from rostra.arena.ratings.engines import by_nutpie

    assert part.density is not None
    return by_nutpie.sample_density(part.density, schedule, report)


def _keep(key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
    """What `make` made for that key; the last few of them are kept."""
    found = _kept.pop(key) if key in _kept else make()
    _kept[key] = found
    if len(_kept) > KEPT_MODELS:
        del _kept[next(iter(_kept))]
    return found


def _reporter(progress: Progress | None, before: int, total: int) -> Callable[[int], None]:
    def report(done: int) -> None:
        if progress is not None:
            progress(before + done, total)

    return report


@contextmanager
def _numba() -> Iterator[None]:
    """Compiles by Numba, which needs no compiler on the host."""
    from pytensor.configdefaults import config

    with config.change_flags(mode="NUMBA"), warnings.catch_warnings():
        # Nothing here multiplies matrices.
        warnings.filterwarnings("ignore", message="PyTensor could not link to a BLAS")
        # Said of a trace that is looked at before its first draws.
        warnings.filterwarnings("ignore", message="More chains")
        yield
