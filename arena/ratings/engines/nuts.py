"""Draws by NUTS: nutpie where it is installed, PyMC's own sampler otherwise.

Compiling takes far longer than sampling, and what is compiled depends on the model and on the
number of contestants and levels only; so it is kept, and given other votes.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import Any

import arviz as az
import numpy as np
import pymc as pm
from numpy.typing import NDArray
from pytensor.configdefaults import config

from rostra.arena.ratings import models
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.engines.draws import Draws, Progress
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.models import both_bad
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec

COMPILED_MODELS = 8
POLL_SECONDS = 0.2

# PyMC models are changed in place when they get other data.
_lock = threading.RLock()
_kept: dict[Any, Any] = {}


@dataclass(frozen=True)
class Part:
    """Parameters of a model that share no likelihood with the others, so sampled by themselves."""

    key: tuple[Any, ...]
    """Equal where the same compiled model will do."""
    build: Callable[[], pm.Model]
    data: dict[str, NDArray[Any]]
    variables: tuple[str, ...]


def sample(
    board: Board, spec: ModelSpec, settings: FitSettings, progress: Progress | None
) -> Draws:
    """Draws from the posterior of `board`. One fit at a time in a process; others wait."""
    chosen = chosen_sampler(settings)
    sampler = _sample_nutpie if chosen == "nutpie" else _sample_pymc
    values: dict[str, NDArray[np.float64]] = {}
    divergences = 0
    parts = _parts(board, spec)
    each = settings.chains * (settings.draws + settings.tune)
    with _lock, _numba():
        for number, part in enumerate(parts):
            counted = _counted(progress, number * each, len(parts) * each)
            trace = sampler(part, settings, counted)
            values |= {name: trace["posterior"][name].values for name in part.variables}
            divergences += int(trace["sample_stats"]["diverging"].sum())
    libraries = ("numpy", "pymc", "pytensor", "numba", *(("nutpie",) if chosen == "nutpie" else ()))
    return Draws(values, divergences, libraries=libraries)


def chosen_sampler(settings: FitSettings) -> str:
    """`nutpie` or `pymc`. Raises RatingsError when nutpie is asked for and is not installed."""
    installed = find_spec("nutpie") is not None
    if settings.sampler == "nutpie" and not installed:
        raise RatingsError("nutpie is not installed: pip install nutpie, or take sampler 'pymc'")
    if settings.sampler == "auto":
        return "nutpie" if installed else "pymc"
    return settings.sampler


def _parts(board: Board, spec: ModelSpec) -> list[Part]:
    levels = len(board.factors[spec.factor].levels) if spec.factor in board.factors else 0
    size = (len(board.contestants), levels)
    order = replace(spec, both_bad="out") if spec.both_bad == "own" else spec
    parts = [
        Part(
            key=("order", order, *size),
            build=partial(models.build, board, order),
            data=models.data(board, order),
            variables=models.variables(order),
        )
    ]
    if spec.both_bad == "own":
        parts.append(
            Part(
                key=("both bad", spec.priors, *size),
                build=partial(both_bad.build, board, spec),
                data=both_bad.data(board),
                variables=models.BOTH_BAD_VARIABLES,
            )
        )
    return parts


def _counted(progress: Progress | None, before: int, total: int) -> Callable[[int], None]:
    def report(done: int) -> None:
        if progress is not None:
            progress(before + done, total)

    return report


@contextmanager
def _numba() -> Iterator[None]:
    """Compiles by Numba, which needs no compiler on the host."""
    with config.change_flags(mode="NUMBA"), warnings.catch_warnings():
        # Nothing here multiplies matrices.
        warnings.filterwarnings("ignore", message="PyTensor could not link to a BLAS")
        # Said of a trace that is looked at before its first draws.
        warnings.filterwarnings("ignore", message="More chains")
        yield


def _keep(key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
    """What `make` made for that key, the last few of them."""
    if key in _kept:
        _kept[key] = _kept.pop(key)
        return _kept[key]
    _kept[key] = make()
    if len(_kept) > COMPILED_MODELS:
        del _kept[next(iter(_kept))]
    return _kept[key]


def _sample_nutpie(
    part: Part, settings: FitSettings, report: Callable[[int], None]
) -> az.InferenceData:
    import nutpie

    compiled = _keep(
        ("nutpie", *part.key),
        lambda: nutpie.compile_pymc_model(part.build(), var_names=part.variables),
    )
    sampler = nutpie.sample(
        compiled.with_data(**part.data),
        chains=settings.chains,
        draws=settings.draws,
        tune=settings.tune,
        seed=settings.seed,
        target_accept=settings.target_accept,
        progress_bar=False,
        # A blocking call would take an interrupt for the end, and return the draws so far.
        blocking=False,
    )
    try:
        while True:
            try:
                trace = sampler.wait(timeout=POLL_SECONDS)
                break
            except TimeoutError:
                report(_num_draws(sampler.inspect()))
    except BaseException:
        sampler.cancel()
        raise
    report(settings.chains * (settings.draws + settings.tune))
    return trace


def _num_draws(trace: az.InferenceData) -> int:
    """Draws of an unfinished nutpie trace, where those not yet made are NaN."""
    total = 0
    for group in ("warmup_posterior", "posterior"):
        scalar = next(x for x in trace[group].values() if x.ndim == 2)
        total += int(np.isfinite(scalar).sum())
    return total


def _sample_pymc(
    part: Part, settings: FitSettings, report: Callable[[int], None]
) -> az.InferenceData:
    done = 0

    def count(**_: Any) -> None:
        nonlocal done
        done += 1
        report(done)

    with _keep(("pymc", *part.key), part.build) as model:
        pm.set_data(part.data, model=model)
        return pm.sample(
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
