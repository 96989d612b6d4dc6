"""What each draw says of each cell of the votes: the chances of its outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.counting import counted
from rostra.arena.ratings.models.values import judges
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.summary.intervals import FloatArray

if TYPE_CHECKING:
    from rostra.arena.ratings.posterior import Posterior

IntArray = NDArray[np.int64]
AT_ONCE = 4_000_000
"""Numbers in a piece: 32 MB for each of the few arrays of that size."""


def told_apart(posterior: Posterior) -> Board:
    """Its votes, `counted`, by what its model tells apart and nothing else."""
    spec, board = posterior.spec, posterior.board
    factors = [name for name in board.factors if name == spec.factor]
    covariates = tuple(dict.fromkeys((*spec.style, *spec.tie_style, *spec.judge_style)))
    return counted(board.by(*factors, covariates=covariates), spec)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of a board under the draws of a posterior."""

    posterior: Posterior
    board: Board
    """With the factor and the covariates that the model names."""
    chosen: NDArray[np.int64]
    """Which draws, of all chains one after another."""

    @classmethod
    def of(cls, posterior: Posterior, board: Board, most: int | None = None) -> Cells:
        """`most`: take that many draws, evenly spaced. Default: all."""
        draws = len(posterior.flat_strengths)
        number = draws if most is None else min(most, draws)
        return cls(posterior, board, np.arange(number) * draws // number)

    def chances(self, cells: slice) -> FloatArray:
        """[draws, cells, 3], probabilities that the left wins, of a tie, that the right wins."""
        ties = self.posterior.spec.ties
        chances = outcome_probabilities(ties, self.eta(cells), self._tie(cells))
        if "voter_kind" not in self.posterior.draws:
            return chances
        assert self.posterior.spec.factor is not None
        voter = self.board.factors[self.posterior.spec.factor].codes[cells]
        kind = self._draws("voter_kind")[:, voter, :, None]
        careless = self.board.decided.sum(axis=0) / self.board.num_decided
        return np.asarray(
            kind[:, :, 0] * chances + kind[:, :, 1] * careless + kind[:, :, 2] * chances[..., ::-1]
        )

    def pieces(self) -> Iterator[tuple[slice, FloatArray]]:
        """Slices of the cells, and `chances` of each: all cells and draws would not fit."""
        size = max(1, AT_ONCE // (3 * len(self.chosen)))
        for start in range(0, len(self.board.left), size):
            cells = slice(start, start + size)
            yield cells, self.chances(cells)

    def eta(self, cells: slice) -> FloatArray:
        """[draws, cells], the advantage of the left answer in natural log odds."""
        left, right = self.board.left[cells], self.board.right[cells]
        if self.posterior.spec.structure == "judges":
            return self._judged_eta(left, right, cells)
        if "level_strength" in self.posterior.draws:
            assert self.posterior.spec.factor is not None
            level = self.board.factors[self.posterior.spec.factor].codes[cells]
            strengths = self._draws("level_strength")
            eta = strengths[:, level, left] - strengths[:, level, right]
        else:
            strengths = self._draws("strength")
            eta = strengths[:, left] - strengths[:, right]
        eta += self._side[:, None]
        for k, name in enumerate(self.posterior.spec.style):
            eta += self._draws("style")[:, k, None] * self.board.covariates[name][cells]
        return eta

    def _judged_eta(self, left: IntArray, right: IntArray, cells: slice) -> FloatArray:
        people = self._draws("strength")[:, None]
        strengths = np.concatenate([self._draws("judge_strength"), people], axis=1)
        judge = self._data["judge_of"][cells]
        eta = strengths[:, judge, left] - strengths[:, judge, right]
        spec = self.posterior.spec
        if spec.judge_biases:
            given = self._draws("judge_bias")
            peoples = np.zeros((len(given), 1, given.shape[2]))
            if spec.side:
                peoples[:, 0, 0] = self._side
            if spec.style:
                start = int(spec.side)
                peoples[:, 0, start : start + len(spec.style)] = self._draws("style")
            bias, x = np.concatenate([given, peoples], axis=1), self._data["judge_x"][cells]
            eta += sum(bias[:, judge, k] * x[:, k] for k in range(x.shape[1]))
        return np.asarray(eta)

    def _tie(self, cells: slice) -> FloatArray:
        """[draws, 1] or [draws, cells]"""
        tie = self.posterior.tie.ravel()[self.chosen][:, None]
        if "judge_tie" in self.posterior.draws:
            each = np.concatenate([self._draws("judge_tie"), tie], axis=1)
            tie = each[:, self._data["judge_of"][cells]]
        for k, name in enumerate(self.posterior.spec.tie_style):
            tie = tie + self._draws("tie_style")[:, k, None] * np.abs(
                self.board.covariates[name][cells]
            )
        return tie

    @cached_property
    def _data(self) -> dict[str, NDArray[Any]]:
        return judges(self.board, self.posterior.spec)

    @cached_property
    def _side(self) -> FloatArray:
        return self.posterior.side.ravel()[self.chosen]

    def _draws(self, name: str) -> FloatArray:
        values = self.posterior.draws[name]
        return values.reshape(-1, *values.shape[2:])[self.chosen]
