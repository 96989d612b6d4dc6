"""NUTS by PyMC itself, for hosts without nutpie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
from numpy.typing import NDArray

from rostra.arena.ratings.engines.schedule import Schedule


def sample_model(
    model: pm.Model,
    data: Mapping[str, NDArray[Any]],
    variables: Sequence[str],
    schedule: Schedule,
    report: Callable[[int], None],
    strength: NDArray[np.float64] | None,
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
            chains=schedule.chains,
            draws=schedule.draws,
            tune=schedule.tune,
            random_seed=schedule.seed,
            target_accept=schedule.target_accept,
            init="jitter+adapt_diag" if strength is None else "adapt_diag",
            initvals=None if strength is None else {"strength": strength},
            nuts_sampler="pymc",
            progressbar=False,
            callback=count,
            compute_convergence_checks=False,
        )
    values = {name: trace["posterior"][name].values for name in variables}
    return values, int(trace["sample_stats"]["diverging"].sum())
