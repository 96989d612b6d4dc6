"""Draws from the model, by nutpie where it is installed and by PyMC's NUTS otherwise.

Compiling takes far longer than sampling, and what is compiled depends on the number of
contestants only; so it is kept, and given other counts.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import arviz as az
import numpy as np
import pymc as pm
from numpy.typing import NDArray
from pytensor.configdefaults import config

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.models.overall import davidson, model_data
from rostra.arena.ratings.settings import FitSettings

Progress = Callable[[int, int], None]
"""Called with the draws made so far, tuning included, and their total."""

VARIABLES = ("strength", "scale", "side", "tie")
COMPILED_MODELS = 8
POLL_SECONDS = 0.2

# PyMC models are changed in place when they get other data.
_lock = threading.RLock()


@dataclass(frozen=True)
class Draws:
    """What a sampler made."""

    values: dict[str, NDArray[np.float64]]
    """For each of `VARIABLES`, [chains, draws] or [chains, draws, contestants]."""
    divergences: int
    """Divergent transitions after tuning."""


def sample(counts: Board, settings: FitSettings, progress: Progress | None) -> Draws:
    """Draws from the posterior of `counts`. One fit at a time in a process; others wait."""
    with _lock, _numba():
        if chosen_sampler(settings) == "nutpie":
            return _sample_nutpie(counts, settings, progress)
        return _sample_pymc(counts, settings, progress)


@contextmanager
def _numba() -> Iterator[None]:
    """Compiles by Numba, which needs no compiler on the host."""
    with config.change_flags(mode="NUMBA"), warnings.catch_warnings():
        # Nothing here multiplies matrices.
        warnings.filterwarnings("ignore", message="PyTensor could not link to a BLAS")
        # Said of a trace that is looked at before its first draws.
        warnings.filterwarnings("ignore", message="More chains")
        yield


def chosen_sampler(settings: FitSettings) -> str:
    """`nutpie` or `pymc`. Raises RatingsError when nutpie is asked for and is not installed."""
    installed = find_spec("nutpie") is not None
    if settings.sampler == "nutpie" and not installed:
        raise RatingsError("nutpie is not installed: pip install nutpie, or take sampler 'pymc'")
    if settings.sampler == "auto":
        return "nutpie" if installed else "pymc"
    return settings.sampler


@lru_cache(maxsize=COMPILED_MODELS)
def _model(num_contestants: int) -> pm.Model:
    """A model for that many contestants; its data are a placeholder."""
    one, zero = np.array([1]), np.array([0])
    return davidson(
        Board(
            contestants=tuple(f"{position:06d}" for position in range(num_contestants)),
            left=zero,
            right=one,
            table=np.array([[1, 1, 1, 0]]),
        )
    )


@lru_cache(maxsize=COMPILED_MODELS)
def _compiled(num_contestants: int) -> Any:
    import nutpie

    return nutpie.compile_pymc_model(_model(num_contestants), var_names=VARIABLES)


def _sample_nutpie(counts: Board, settings: FitSettings, progress: Progress | None) -> Draws:
    import nutpie

    sampler = nutpie.sample(
        _compiled(len(counts.contestants)).with_data(**model_data(counts)),
        chains=settings.chains,
        draws=settings.draws,
        tune=settings.tune,
        seed=settings.seed,
        target_accept=settings.target_accept,
        progress_bar=False,
        # A blocking call would take an interrupt for the end, and return the draws so far.
        blocking=False,
    )
    total = settings.chains * (settings.draws + settings.tune)
    try:
        while True:
            try:
                trace = sampler.wait(timeout=POLL_SECONDS)
                break
            except TimeoutError:
                if progress is not None:
                    progress(_num_draws(sampler.inspect()), total)
    except BaseException:
        sampler.cancel()
        raise
    if progress is not None:
        progress(total, total)
    return _draws(trace)


def _num_draws(trace: az.InferenceData) -> int:
    """Draws of an unfinished nutpie trace, where those not yet made are NaN."""
    groups = ("warmup_posterior", "posterior")
    return sum(int(np.isfinite(trace[group]["side"]).sum()) for group in groups)


def _draws(trace: az.InferenceData) -> Draws:
    return Draws(
        values={name: trace["posterior"][name].values for name in VARIABLES},
        divergences=int(trace["sample_stats"]["diverging"].sum()),
    )


def _sample_pymc(counts: Board, settings: FitSettings, progress: Progress | None) -> Draws:
    total = settings.chains * (settings.draws + settings.tune)
    done = 0

    def count(**_: Any) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    with _model(len(counts.contestants)) as model:
        pm.set_data(model_data(counts), model=model)
        trace = pm.sample(
            chains=settings.chains,
            draws=settings.draws,
            tune=settings.tune,
            random_seed=settings.seed,
            target_accept=settings.target_accept,
            nuts_sampler="pymc",
            progressbar=False,
            callback=count,
            compute_convergence_checks=False,
        )
    return _draws(trace)
