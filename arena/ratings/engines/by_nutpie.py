"""NUTS by nutpie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import arviz as az
import numpy as np
import nutpie
from numpy.typing import NDArray
from nutpie.compile_pymc import CompiledPyMCModel

from rostra.arena.ratings.engines import callback
from rostra.arena.ratings.engines.block import DRAWS
from rostra.arena.ratings.engines.densities import Density
from rostra.arena.ratings.engines.schedule import Schedule
from rostra.arena.ratings.engines.whitening import Whitened

POLL_SECONDS = 0.2
POINT = "point"

FloatArray = NDArray[np.float64]
Sampled = tuple[dict[str, FloatArray], int]
"""Draws by name, [chains, draws, ...], and the number of divergent transitions."""


def sample_density(
    density: Density | Whitened, schedule: Schedule, report: Callable[[int], None]
) -> Sampled:
    block = density.block.copy()  # counts the draws
    model = CompiledPyMCModel(
        _n_dim=density.ndim,
        _shapes={POINT: (density.ndim,)},
        _coords={},
        dims={},
        compiled_logp_func=callback.log_density_callback,
        compiled_expand_func=callback.draw_callback,
        initial_point_func=lambda seed: density.start(np.random.default_rng(seed)),
        shared_data={},
        user_data=block,
        n_expanded=density.ndim,
        shape_info=([POINT], [slice(0, density.ndim)], [(density.ndim,)]),
        # Python's forms of the same two, which sampling does not ask for.
        logp_func=None,
        expand_func=None,
    )
    trace = _sample(model, schedule, lambda: report(int(block[DRAWS])), POLL_SECONDS)
    report(schedule.total)
    return density.variables(trace["posterior"][POINT].values), _divergences(trace)


def _sample(
    model: Any, schedule: Schedule, look: Callable[[], None], seconds: float
) -> az.InferenceData:
    """The trace; meanwhile `look` every so many seconds."""
    sampler = nutpie.sample(
        model,
        chains=schedule.chains,
        draws=schedule.draws,
        tune=schedule.tune,
        seed=schedule.seed,
        target_accept=schedule.target_accept,
        progress_bar=False,
        # A blocking call would take an interrupt for the end, and return the draws so far.
        blocking=False,
    )
    try:
        while True:
            try:
                return sampler.wait(timeout=seconds)
            except TimeoutError:
                look()
    except BaseException:
        sampler.cancel()
        raise


def _divergences(trace: az.InferenceData) -> int:
    return int(trace["sample_stats"]["diverging"].sum())
