"""Draws from a mixture of Gaussians, weighted to the exact posterior of a latent Gaussian model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from rostra.arena.ratings.engines.latent import LOG_2_PI, LatentModel, ScalePrior
from rostra.arena.ratings.engines.newton import Conditional

FloatArray = NDArray[np.float64]

CELLS_AT_ONCE = 2**18
"""Entries of cells x draws that are held at a time: more do not fit a second-level cache."""
DEFENSIVE = 0.1
"""Share of the draws that is spread evenly over the grid, for the tails that wide scales give
(Hesterberg 1995, Technometrics 37, Weighted average importance sampling and defensive mixture
distributions)."""
SCALE_STEP = 0.25
"""Of the conditional standard deviation of a scale's logarithm, in its quadrature."""


@dataclass(frozen=True)
class Weighted:
    """A weighted sample."""

    coordinates: FloatArray
    """[draws, size]"""
    log_weights: FloatArray
    """[draws], smoothed, normalised."""
    pareto_k: float
    """Of the raw weights: below 0.7 the sample is reliable."""

    @property
    def effective(self) -> float:
        """Effective sample size, one over the sum of squared weights."""
        return float(np.exp(-logsumexp(2 * self.log_weights)))


def weighted_sample(
    model: LatentModel, points: Sequence[Conditional], draws: int, rng: np.random.Generator
) -> Weighted:
    """Pareto-smoothed importance sampling (Vehtari, Simpson, Gelman, Yao and Gabry 2024, JMLR 25).

    The proposal is the mixture over the grid of scales, the target the posterior with the scales
    integrated out, so a coarse grid costs weights and not exactness.
    """
    # Here, so that whoever only reads a posterior does not wait for the import.
    from arviz import psislw

    coordinates, log_proposal = _mixture(points, draws, rng)
    log_target = _log_likelihood(model, coordinates)
    for block in model.blocks:
        part = coordinates[:, model.slices[block.name]]
        if isinstance(block.scale, str):
            log_target += _log_block_prior(model.scales[block.scale], part)
        else:
            log_target += _log_normal((part**2).sum(axis=1), part.shape[1], block.scale)
    log_weights, pareto_k = psislw(log_target - log_proposal)
    return Weighted(coordinates, np.asarray(log_weights), float(pareto_k))


def _mixture(
    points: Sequence[Conditional], draws: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """[draws, size] in the order of their components, and the log density of each."""
    log_shares = np.array([point.log_marginal for point in points])
    shares = (1 - DEFENSIVE) * np.exp(log_shares - logsumexp(log_shares))
    shares += DEFENSIVE / len(points)
    size = len(points[0].mode)
    # Systematic: each component has its share of the draws, up to one.
    edges = (np.arange(draws) + rng.random()) / draws
    chosen = np.searchsorted(np.cumsum(shares), edges).clip(max=len(points) - 1)
    noise = rng.standard_normal((draws, size))
    coordinates = np.empty((draws, size))
    for k, point in enumerate(points):
        mine = chosen == k
        coordinates[mine] = (
            point.mode + solve_triangular(point.cholesky, noise[mine].T, lower=True, trans="T").T
        )
    log_density = np.full(draws, -np.inf)
    for share, point in zip(np.log(shares), points, strict=True):
        standard = (coordinates - point.mode) @ point.cholesky
        peak = np.log(np.diag(point.cholesky)).sum() - size * LOG_2_PI / 2
        here = share + peak - 0.5 * np.einsum("ij,ij->i", standard, standard)
        np.logaddexp(log_density, here, out=log_density)
    return coordinates, log_density


def _log_likelihood(model: LatentModel, coordinates: FloatArray) -> FloatArray:
    at_once = max(1, CELLS_AT_ONCE // max(1, len(model.votes)))
    parts = [
        model.log_likelihood(coordinates[start : start + at_once])
        for start in range(0, len(coordinates), at_once)
    ]
    return np.concatenate(parts)


def _log_normal(squared: FloatArray, size: int, sd: float | FloatArray) -> FloatArray:
    """Log density of `size` coordinates whose squares add up to `squared`."""
    return -0.5 * squared / sd**2 - size * (np.log(sd) + LOG_2_PI / 2)


def _given_block(prior: ScalePrior, part: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A grid of logarithms of the scale, and [draws, grid] their log joint density with `part`,
    the scale's coordinates.

    The trapezoidal rule is exact to rounding on such a grid: the integrand is smooth and fades
    at both ends (Trefethen and Weideman 2014, SIAM Review 56).
    """
    squared, size = (part**2).sum(axis=1), part.shape[1]
    low, high = prior.log_range
    # Given coordinates of mean square m the density of the scale s fades below s^2 = m like
    # exp(-size m / 2 s^2), and above it with the prior or like s^-size.
    least, most = np.log(np.array([squared.min(), squared.max()]) / size + 1e-300) / 2
    low = max(low, least - 0.5 * np.log(1 + 60 / size + 12 / np.sqrt(size)))
    high = max(low + 1.0, min(high, most + 50 / size))
    step = SCALE_STEP / np.sqrt(2 * size + 4)
    grid = np.linspace(low, high, int(np.ceil((high - low) / step)) + 1)
    density = prior.log_density(grid) + _log_normal(squared[:, None], size, np.exp(grid))
    return grid, density


def _log_block_prior(prior: ScalePrior, part: FloatArray) -> FloatArray:
    """[draws], log density of the coordinates `part` with their scale integrated out."""
    grid, density = _given_block(prior, part)
    return logsumexp(density, axis=1) + np.log(grid[1] - grid[0])


def draw_scales(prior: ScalePrior, part: FloatArray, rng: np.random.Generator) -> FloatArray:
    """[draws], the scale drawn from its exact posterior given its coordinates `part`.

    Given these, nothing else in the votes tells of it.
    """
    grid, density = _given_block(prior, part)
    density = np.exp(density - density.max(axis=1, keepdims=True))
    cumulative = np.cumsum(density[:, 1:] + density[:, :-1], axis=1)
    wanted = rng.random(len(part)) * cumulative[:, -1]
    at = (cumulative < wanted[:, None]).sum(axis=1).clip(max=len(grid) - 2)
    rows = np.arange(len(part))
    below = np.where(at > 0, cumulative[rows, at - 1], 0.0)
    inside = (wanted - below) / (cumulative[rows, at] - below)
    return np.exp(grid[at] + inside * (grid[1] - grid[0]))
