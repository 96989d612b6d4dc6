"""The live answer: nested Laplace with importance sampling, in a fraction of a second.

Given the scales a model of the votes is a latent Gaussian one (`latent`). Its posterior is
approximated by a Gaussian at the mode for each point of a grid over the scales (`newton`,
`scale_grid`; Rue, Martino and Chopin 2009), and the mixture of these is the proposal of an
importance sampling from the exact posterior (`importance`; Vehtari et al. 2024). Whether that
worked is told by k-hat; where it did not, the answer is NUTS.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.engines import judged
from rostra.arena.ratings.engines.draws import Draws
from rostra.arena.ratings.engines.importance import Weighted, draw_scales, weighted_sample
from rostra.arena.ratings.engines.latent import LatentModel
from rostra.arena.ratings.engines.latent_models import AT_LEVEL, latent_models
from rostra.arena.ratings.engines.newton import NotApproximated
from rostra.arena.ratings.engines.scale_grid import scale_grid
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.ratings.spec import ModelSpec

__all__ = ["MAX_PARETO_K", "NotApproximated", "approximate"]

FloatArray = NDArray[np.float64]

MAX_PARETO_K = 0.7
"""Vehtari et al. 2024, section 3.2.4: above it weights are too heavy in the tail to be smoothed."""
MIN_EFFECTIVE = 400
"""Effective draws, as many as four chains of NUTS must have."""
PROPOSALS = 4000
"""Draws at least, of which those asked for are drawn by weight: fewer leave k-hat uncertain."""
SINGLE = ("side", "tie", "bad_mean")
"""Blocks of one value, which is no array."""
FINENESS = (1.0, 2.0)
"""Of the grid; the finer one where the coarser did not do."""


def approximate(board: Board, spec: ModelSpec, settings: FitSettings) -> Draws:
    """Draws from the posterior of the model that `spec` names, given the votes of `board`.

    The same arguments give the same draws.

    Raises NotApproximated, a RatingsError, where the structure has no such approximation or the
    approximation does not hold.
    """
    if spec.structure == "voters":
        raise NotApproximated(f"there is no such approximation of the structure {spec.structure!r}")
    total = settings.chains * settings.draws
    values: dict[str, FloatArray] = {}
    samples = []
    for model, seed in zip(
        latent_models(board, spec), np.random.SeedSequence(settings.seed).spawn(2), strict=False
    ):
        rng = np.random.default_rng(seed)
        with judged.one_thread(model):
            sample = _weighted(model, max(total, PROPOSALS), rng)
        samples.append(sample)
        values |= _drawn(model, sample, total, rng)
    if spec.structure == "judges":
        values = judged.absolute(values, spec)
    shape = (settings.chains, settings.draws)
    return Draws(
        values={name: found.reshape(*shape, *found.shape[1:]) for name, found in values.items()},
        pareto_k=max(sample.pareto_k for sample in samples),
        importance_ess=min(sample.effective for sample in samples),
        libraries=("numpy", "scipy"),
    )


def _weighted(model: LatentModel, draws: int, rng: np.random.Generator) -> Weighted:
    for fineness in FINENESS:
        sample = weighted_sample(model, scale_grid(model, fineness), draws, rng)
        # Written so that a NaN fails.
        if sample.pareto_k <= MAX_PARETO_K and sample.effective >= MIN_EFFECTIVE:
            return sample
    raise NotApproximated(
        f"the approximation is too far off: k-hat {sample.pareto_k:.2f} of the importance weights "
        f"(at most {MAX_PARETO_K}), {sample.effective:,.0f} effective draws (at least "
        f"{MIN_EFFECTIVE})"
    )


def _drawn(
    model: LatentModel, sample: Weighted, draws: int, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """By name, [draws, ...]: drawn by weight, in random order, so that chains are alike."""
    weights = np.exp(sample.log_weights - logsumexp(sample.log_weights))
    edges = (np.arange(draws) + rng.random()) / draws
    chosen = np.searchsorted(np.cumsum(weights), edges).clip(max=len(weights) - 1)
    coordinates = sample.coordinates[rng.permutation(chosen)]
    values = {}
    for block in model.blocks:
        part = coordinates[:, model.slices[block.name]]
        found = model.block_values(block.name, coordinates)
        # A parameter of its own is no array of one.
        values[block.name] = found[:, 0] if block.name in SINGLE else found
        if isinstance(block.scale, str):
            values[block.scale] = draw_scales(model.scales[block.scale], part, rng)
    if AT_LEVEL in values:
        overall = values["strength"][:, None]
        at_level = values.pop(AT_LEVEL).reshape(draws, -1, overall.shape[-1])
        values["level_strength"] = overall + at_level
    return values
