"""NUTS by PyMC itself, for hosts without nutpie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
from numpy.typing import NDArray

from rostra.arena.ratings.settings import FitSettings


def sample_model(
    model: pm.Model,
    data: Mapping[str, NDArray[Any]],
    variables: Sequence[str],
    settings: FitSettings,
    report: Callable[[int], None],
    *,
    jitter: bool,
) -> tuple[dict[str, NDArray[np.float64]], int]:
    """Draws by name, [chains, draws, ...], and the number of divergent transitions."""
    done = 0

    def count(**_: Any) -> None:
        nonlocal done
        done += 1
        report(done)

    with model:
        pm.set_data(data)
        trace = pm.sample(
            chains=settings.chains,
            draws=settings.draws,
            tune=settings.tune,
            random_seed=settings.seed,
            target_accept=settings.target_accept,
            init="jitter+adapt_diag" if jitter else "adapt_diag",
            nuts_sampler="pymc",
            progressbar=False,
            callback=count,
            compute_convergence_checks=False,
        )
    values = {name: trace["posterior"][name].values for name in variables}
    return values, int(trace["sample_stats"]["diverging"].sum())
