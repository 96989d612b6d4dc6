"""The mode of a latent Gaussian model given its scales, and the Gaussian there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky

from rostra.arena.ratings.engines.latent import LatentModel
from rostra.arena.ratings.errors import RatingsError

FloatArray = NDArray[np.float64]

MAX_STEPS = 100
TOLERANCE = 1e-7
"""Of the expected gain in log density, at which the mode is found."""


class NotApproximated(RatingsError):  # noqa: N818 - what happened, not whose fault
    """The nested Laplace approximation does not hold; the message gives the reason."""


@dataclass(frozen=True)
class Conditional:
    """The Gaussian approximation of the latent coordinates given the scales."""

    log_scales: FloatArray
    mode: FloatArray
    """[size]"""
    cholesky: FloatArray
    """[size, size], lower, of the precision."""
    log_marginal: float
    """Laplace approximation of the log density of the votes and the logarithms of the scales
    (Tierney and Kadane 1986, JASA 81)."""


def conditional(model: LatentModel, log_scales: FloatArray, start: FloatArray) -> Conditional:
    """By Newton's method from `start`, with halved steps and a damped Hessian where it must be.

    Raises NotApproximated when there is no maximum to be found, or it is no proper peak.
    """
    precision = model.precision(log_scales)
    at = start
    value, gradient, hessian = _posterior(model, precision, at)
    for _ in range(MAX_STEPS):
        step = _newton_step(gradient, hessian)
        gain = gradient @ step
        if gain < TOLERANCE:
            return _gaussian(model, log_scales, at, hessian)
        size = 1.0
        while True:
            there = at + size * step
            better = _posterior(model, precision, there)
            if better[0] > value or gain * size < TOLERANCE:
                break
            size /= 2
        at, (value, gradient, hessian) = there, better
    raise NotApproximated(f"no mode found in {MAX_STEPS} steps of Newton's method")


def _posterior(
    model: LatentModel, precision: FloatArray, at: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Log density up to a constant, its gradient, and the Hessian with its sign turned."""
    value, gradient, information = model.derivatives(at)
    information[np.diag_indices_from(information)] += precision
    height = value - float(precision @ (at * at)) / 2
    return height, gradient - precision * at, information


def _newton_step(gradient: FloatArray, hessian: FloatArray) -> FloatArray:
    """Uphill, also where the Hessian is not definite, as Rao-Kupper's may be far from the mode."""
    damping = 0.0
    scale = np.abs(np.diag(hessian)).max()
    for _ in range(20):
        try:
            damped = hessian + damping * np.eye(len(hessian)) if damping else hessian
            return np.asarray(cho_solve(cho_factor(damped, lower=True), gradient))
        except (LinAlgError, ValueError):
            damping = max(10 * damping, 1e-3 * scale)
    raise NotApproximated("the log density has no usable curvature")


def _gaussian(
    model: LatentModel, log_scales: FloatArray, mode: FloatArray, hessian: FloatArray
) -> Conditional:
    try:
        factor = cholesky(hessian, lower=True)
    except (LinAlgError, ValueError):
        raise NotApproximated("the mode found is no peak of the density") from None
    height = model.log_joint(mode, log_scales)
    volume = len(mode) / 2 * np.log(2 * np.pi) - np.log(np.diag(factor)).sum()
    return Conditional(log_scales, mode, factor, float(height + volume))
