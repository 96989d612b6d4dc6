"""A model of the votes as a latent Gaussian model.

    x | scales  Gaussian, independent blocks, each with a fixed or an unknown scale
    y | x       cells independent given eta = X x and tie = Z x, sparse X and Z

That is the class of models whose posterior Rue, Martino and Chopin (2009, JRSS-B 71, Approximate
Bayesian inference for latent Gaussian models by using integrated nested Laplace approximations)
reduce to Gaussians given the few scales. The densities are those of the PyMC models in
`rostra.arena.ratings.models`.

x is held in free coordinates z, standard normal times their scale: a zero-sum block of n values
has n - 1 of them, by an orthonormal basis of its subspace, which is how a zero-sum normal is
defined there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rostra.arena.ratings.engines.laplace_likelihoods import (
    Derivatives,
    derivatives,
    log_likelihood,
)
from rostra.arena.ratings.spec import Ties

FloatArray = NDArray[np.float64]
LOG_2_PI = float(np.log(2 * np.pi))


@dataclass(frozen=True)
class LogNormal:
    """Prior of a scale."""

    median: float
    sigma: float

    def log_density(self, log_scale: FloatArray) -> FloatArray:
        """Of the logarithm of the scale."""
        z = (log_scale - np.log(self.median)) / self.sigma
        return -0.5 * z * z - np.log(self.sigma) - LOG_2_PI / 2

    @property
    def start(self) -> float:
        """A likely logarithm of the scale."""
        return float(np.log(self.median))

    @property
    def log_sd(self) -> float:
        """Standard deviation of the logarithm of the scale."""
        return self.sigma

    @property
    def log_range(self) -> tuple[float, float]:
        """Where all but 1e-11 of the prior of the logarithm lies."""
        width = 7 * self.sigma
        return float(np.log(self.median)) - width, float(np.log(self.median)) + width


@dataclass(frozen=True)
class HalfNormal:
    """Prior of a scale."""

    sd: float

    def log_density(self, log_scale: FloatArray) -> FloatArray:
        """Of the logarithm of the scale."""
        z = np.exp(log_scale) / self.sd
        return 0.5 * (np.log(4) - LOG_2_PI) - np.log(self.sd) - 0.5 * z * z + log_scale

    @property
    def start(self) -> float:
        """A likely logarithm of the scale."""
        return float(np.log(self.sd))

    @property
    def log_sd(self) -> float:
        """Standard deviation of the logarithm of the scale, whatever the scale."""
        return float(np.pi / np.sqrt(8))

    @property
    def log_range(self) -> tuple[float, float]:
        """Where all but 1e-11 of the prior of the logarithm lies."""
        return float(np.log(self.sd)) - 25, float(np.log(self.sd)) + 2


ScalePrior = LogNormal | HalfNormal


@dataclass(frozen=True)
class Block:
    """Some of the latent values, a priori independent of the others given the scales."""

    name: str
    basis: sparse.csr_array
    """[values, coordinates]: values = basis @ z, coordinates of unit scale times `scale`."""
    eta: sparse.csr_array
    """[cells, values], their part in eta."""
    tie: sparse.csr_array
    """[cells, values], their part in the tie parameter."""
    scale: float | str
    """The standard deviation, or the name of the unknown scale."""

    @property
    def size(self) -> int:
        """Coordinates."""
        return int(self.basis.shape[1])


@dataclass(frozen=True)
class LatentModel:
    """A likelihood, its cells and the blocks of its latent values."""

    ties: Ties
    votes: FloatArray
    """[cells, 3]"""
    blocks: tuple[Block, ...]
    scales: dict[str, ScalePrior]
    """By name, in the order of `log_scales` everywhere below."""

    @property
    def size(self) -> int:
        """Coordinates of all blocks."""
        return sum(block.size for block in self.blocks)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Of the coordinates, by block."""
        ends = np.cumsum([0, *(block.size for block in self.blocks)])
        return {
            block.name: slice(int(ends[i]), int(ends[i + 1])) for i, block in enumerate(self.blocks)
        }

    @cached_property
    def basis(self) -> sparse.csr_array:
        """[values, coordinates] of all blocks."""
        return sparse.csr_array(sparse.block_diag([b.basis for b in self.blocks], format="csr"))

    @cached_property
    def _eta(self) -> sparse.csr_array:
        return sparse.csr_array(sparse.hstack([b.eta for b in self.blocks], format="csr"))

    @cached_property
    def _tie(self) -> sparse.csr_array:
        return sparse.csr_array(sparse.hstack([b.tie for b in self.blocks], format="csr"))

    @cached_property
    def _tie_is_shared(self) -> bool:
        """Whether all cells have one tie parameter, which is then computed once."""
        if not len(self.votes):
            return False
        least, most = self._tie.min(axis=0).toarray(), self._tie.max(axis=0).toarray()
        return np.array_equal(least, most)

    def log_likelihood(self, coordinates: FloatArray) -> FloatArray:
        """[draws] of `coordinates` [draws, size]."""
        values = self.basis @ coordinates.T
        tie = self._tie[[0]] @ values if self._tie_is_shared else self._tie @ values
        return log_likelihood(self.ties, self.votes, self._eta @ values, tie)

    def derivatives(self, coordinates: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Log likelihood, its gradient [size] and its information [size, size]."""
        values = self.basis @ coordinates
        cells = derivatives(self.ties, self.votes, self._eta @ values, self._tie @ values)
        basis, eta, tie = self._transposed
        gradient = basis @ (eta @ cells.eta + tie @ cells.tie)
        information = basis @ (basis @ self._information(cells)).T
        return cells.value, gradient, information

    @cached_property
    def _transposed(self) -> tuple[sparse.csr_array, ...]:
        """The basis, the design of eta and that of the tie parameter."""
        return tuple(sparse.csr_array(matrix.T) for matrix in (self.basis, self._eta, self._tie))

    def _information(self, cells: Derivatives) -> FloatArray:
        """[values, values], symmetric."""
        eta_eta, eta_tie, tie_tie = self._products
        flat = eta_eta @ cells.eta_eta + eta_tie @ cells.eta_tie + tie_tie @ cells.tie_tie
        information = np.asarray(flat).reshape(self._eta.shape[1], -1)
        return (information + information.T) / 2

    @cached_property
    def _products(self) -> tuple[sparse.csc_array, ...]:
        """[values * values, cells] each: of the rows of `eta` and `tie`, outer products, so that
        the information is one product of a sparse matrix and a vector."""
        return (
            _row_products(self._eta, self._eta),
            2 * _row_products(self._eta, self._tie),
            _row_products(self._tie, self._tie),
        )

    def precision(self, log_scales: FloatArray) -> FloatArray:
        """[size], prior precision of each coordinate given the scales."""
        return np.exp(-2 * self.log_sds(log_scales))

    def log_sds(self, log_scales: FloatArray) -> FloatArray:
        """[size], logarithm of the prior standard deviation of each coordinate."""
        names = list(self.scales)
        return np.concatenate(
            [
                np.full(
                    block.size,
                    log_scales[names.index(block.scale)]
                    if isinstance(block.scale, str)
                    else np.log(block.scale),
                )
                for block in self.blocks
            ]
        )

    def log_prior_of_scales(self, log_scales: FloatArray) -> float:
        """Density of the logarithms of the scales."""
        return float(
            sum(
                prior.log_density(at)
                for prior, at in zip(self.scales.values(), log_scales, strict=True)
            )
        )

    def log_joint(self, coordinates: FloatArray, log_scales: FloatArray) -> float:
        """Density of the votes, the coordinates [size] and the logarithms of the scales, without
        multinomial coefficients."""
        log_sds = self.log_sds(log_scales)
        z = coordinates / np.exp(log_sds)
        prior = -0.5 * z @ z - log_sds.sum() - self.size * LOG_2_PI / 2
        likelihood = self.log_likelihood(coordinates[None])[0]
        return float(likelihood + prior + self.log_prior_of_scales(log_scales))

    def block_values(self, name: str, coordinates: FloatArray) -> FloatArray:
        """[draws, values] of one block, of `coordinates` [draws, size]."""
        (block,) = (block for block in self.blocks if block.name == name)
        return (block.basis @ coordinates[:, self.slices[name]].T).T


def _row_products(a: sparse.csr_array, b: sparse.csr_array) -> sparse.csc_array:
    """[columns * columns, rows], the outer product of each row of `a` with that of `b`."""
    width = b.shape[1]
    sizes = np.diff(b.indptr)[np.repeat(np.arange(a.shape[0]), np.diff(a.indptr))]
    starts = np.cumsum(sizes) - sizes
    # For each entry of `a`, the entries of `b` in its row, one after another.
    first = b.indptr[:-1][np.repeat(np.arange(a.shape[0]), np.diff(a.indptr))]
    of_a = np.repeat(np.arange(a.nnz), sizes)
    of_b = np.arange(sizes.sum()) + np.repeat(first - starts, sizes)
    pointer = np.concatenate([[0], np.cumsum(np.diff(a.indptr) * np.diff(b.indptr))])
    place = a.indices[of_a].astype(np.int64) * width + b.indices[of_b]
    data = a.data[of_a] * b.data[of_b]
    return sparse.csc_array((data, place, pointer), shape=(a.shape[1] * width, a.shape[0]))


def zero_sum_basis(size: int) -> FloatArray:
    """[size, size - 1], orthonormal, each column sums to zero.

    The map that PyMC's `ZeroSumTransform` applies, so that coordinates are its unconstrained
    values.
    """
    shrink = 1 / (np.sqrt(size) + size)
    basis = np.eye(size, size - 1) - shrink
    basis[-1] = -1 / np.sqrt(size)
    return basis


def incidence(
    cells: int, size: int, columns: Sequence[tuple[NDArray[Any], float]]
) -> sparse.csr_array:
    """[cells, size] with, in each row, the coefficient of each of `columns` in its column."""
    rows = np.arange(cells)
    matrix = sparse.csr_array((cells, size))
    for index, coefficient in columns:
        matrix = matrix + sparse.csr_array(
            (np.full(cells, coefficient), (rows, index)), shape=(cells, size)
        )
    return sparse.csr_array(matrix)
