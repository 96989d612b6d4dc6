"""The votes of a board as the data of each model: what its `pm.Data` containers hold, by name.

Without PyMC, since engines that have the densities by hand want these and no graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.counting import counted
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.spec import PEOPLE, ModelSpec

Array = NDArray[Any]
FloatArray = NDArray[np.float64]


def reduced(board: Board, spec: ModelSpec) -> Board:
    """The board with the factor and the covariates that `spec` names told apart, and no others.

    Its cells have a vote that bears on the order, where "both bad" counts as a tie if so specified.
    Raises RatingsError for a factor or covariate that the board does not have.
    """
    factors = () if spec.factor is None else (spec.factor,)
    covariates = tuple(dict.fromkeys((*spec.style, *spec.tie_style, *spec.judge_style)))
    return counted(board.by(*factors, covariates=covariates), spec)


def cells(reduced: Board, spec: ModelSpec) -> dict[str, Array]:
    """Values of the data that every structure has, from a board as `reduced` gives it.

    `left`, `right` [cells]; `votes` [cells, 3]; where the specification has them `style_x`
    [cells, style] and `tie_style_x` [cells, tie_style].
    """
    values: dict[str, Array] = {
        "left": reduced.left,
        "right": reduced.right,
        "votes": reduced.decided,
    }
    if spec.style:
        values["style_x"] = np.column_stack([reduced.covariates[name] for name in spec.style])
    if spec.tie_style:
        values["tie_style_x"] = np.column_stack(
            [np.abs(reduced.covariates[name]) for name in spec.tie_style]
        )
    return values


def overall(board: Board, spec: ModelSpec) -> dict[str, Array]:
    return cells(reduced(board, spec), spec)


def categories(board: Board, spec: ModelSpec) -> dict[str, Array]:
    """`level_of` [cells], index of the level, beside the data of `cells`.

    Raises RatingsError for a factor with a single level.
    """
    found = reduced(board, spec)
    factor = found.factors[str(spec.factor)]
    if len(factor.levels) < 2:
        raise RatingsError(
            f"every vote has the {spec.factor} {factor.levels[0]!r}; ratings by {spec.factor} "
            "want two"
        )
    return {**cells(found, spec), "level_of": factor.codes}


def drift(board: Board, spec: ModelSpec) -> dict[str, Array]:
    """`level_of` [cells], index of the period, and `elapsed` [periods - 1], beside the data of
    `cells`.

    Raises RatingsError for a factor with a single level.
    """
    found = reduced(board, spec)
    factor = found.factors[str(spec.factor)]
    if len(factor.levels) < 2:
        raise RatingsError(
            f"every vote is of the {spec.factor} {factor.levels[0]!r}; drift wants two"
        )
    return {**cells(found, spec), "level_of": factor.codes, "elapsed": elapsed(factor.levels)}


def voters(board: Board, spec: ModelSpec) -> dict[str, Array]:
    """`voter_of` [cells], index of the voter, and `careless` [voters], log probability of a
    voter's votes if careless, beside the data of `cells`."""
    found = reduced(board, spec)
    factor = found.factors[str(spec.factor)]
    votes = np.zeros((len(factor.levels), 3))
    np.add.at(votes, factor.codes, found.decided)
    return {
        **cells(found, spec),
        "voter_of": factor.codes,
        "careless": votes @ _careless(votes.sum(axis=0), spec),
    }


def judge_names(levels: Sequence[str]) -> tuple[str, ...]:
    """Who else than people voted, of the levels of a factor, in their order."""
    return tuple(level for level in levels if level != PEOPLE)


def judges(board: Board, spec: ModelSpec) -> dict[str, Array]:
    """`judge_of` [cells], index of the judge, people's that of one more; and `judge_x` [cells,
    biases], what each of `ModelSpec.judge_biases` is a coefficient of; beside those of `cells`.

    Raises RatingsError when nobody but people, or nobody but judges voted.
    """
    found = reduced(board, spec)
    factor = found.factors[str(spec.factor)]
    voted = {factor.levels[code] for code in np.unique(factor.codes)}
    if PEOPLE not in voted:
        raise RatingsError(
            "no person's vote bears on the order: judges are held to people's votes; add some, or "
            "rate the verdicts by another model"
        )
    names = judge_names(factor.levels)
    if voted == {PEOPLE}:
        raise RatingsError("no judge's verdict bears on the order; leave the judges out")
    place = np.array([names.index(n) if n != PEOPLE else len(names) for n in factor.levels])
    columns = [np.ones(len(found.left))] if spec.side else []
    columns += [found.covariates[name] for name in (*spec.style, *spec.judge_style)]
    return {
        **cells(found, spec),
        "judge_of": place[factor.codes],
        "judge_x": np.stack(columns, axis=1) if columns else np.zeros((len(found.left), 0)),
    }


STRUCTURES = {
    "overall": overall,
    "categories": categories,
    "drift": drift,
    "voters": voters,
    "judges": judges,
}


def both_bad(board: Board) -> dict[str, NDArray[np.int64]]:
    """`bad_left` and `bad_right` [pairs], index of the contestants, the lower one first;
    `bad_votes` and `all_votes` [pairs], votes that neither answer is good, and all of them."""
    pooled = board.pooled
    first, second = np.minimum(pooled.left, pooled.right), np.maximum(pooled.left, pooled.right)
    pairs = Board.of(board.contestants, first, second, pooled.table)
    return {
        "bad_left": pairs.left,
        "bad_right": pairs.right,
        "bad_votes": pairs.both_bad,
        "all_votes": pairs.table.sum(axis=1),
    }


def elapsed(levels: tuple[str, ...]) -> NDArray[np.float64]:
    """[levels - 1], periods from each level to the next.

    Levels that are ISO dates are as far apart as their days, in units of the smallest distance;
    others follow each other at equal distance, in the order they are in.
    """
    try:
        days = np.diff([date.fromisoformat(level).toordinal() for level in levels])
    except ValueError:
        return np.ones(len(levels) - 1)
    return days / days.min()


def _careless(votes: FloatArray, spec: ModelSpec) -> FloatArray:
    """[3], log weight of each outcome for careless voters, from the votes of all, [3].

    One vote more for each outcome, so that one without votes has a weight.
    """
    votes = votes + 1
    if spec.ties == "bradley-terry":
        left, right = np.log(votes[[0, 2]] + votes[1] / 2) - np.log(votes.sum())
        return np.array([left, (left + right) / 2, right])
    return np.asarray(np.log(votes / votes.sum()))
