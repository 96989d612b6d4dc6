"""Huber's sandwich: standard errors that hold when the model is wrong (White 1982).

The observed information tells the spread of estimates if votes were drawn from the model. The
sandwich takes the spread of the scores from the votes themselves, or from independent clusters of
them (voters), so that overdispersion, and votes of one person that resemble each other, show.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from rostra.arena.ratings.classical.newton import Problem
from rostra.arena.ratings.classical.outcomes import Outcomes

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def meat_of_votes(problem: Problem, at: Outcomes) -> FloatArray:
    """[parameters, parameters], the sum over votes of the outer product of each one's score."""
    weight = problem.rows.votes * problem.rows.weight[:, None] ** 2
    total = np.zeros((problem.parameters, problem.parameters))
    for outcome in range(3):
        scores = _scores(problem, at.d_eta[:, outcome], at.d_tie[:, outcome])
        total += (scores.T @ scores.multiply(weight[:, [outcome]])).toarray()
    return total


def meat_of_clusters(problem: Problem, at: Outcomes, codes: IntArray, clusters: int) -> FloatArray:
    """The same with the sum of scores over a cluster in place of one vote's.

    `codes` [rows] numbers the cluster of each row. With G clusters that have votes it is multiplied
    by G / (G - 1), as is usual (Liang and Zeger 1986, Biometrika 73, without that factor). One
    cluster alone says nothing: NaN.
    """
    voted = problem.rows.votes.sum(axis=1) * problem.rows.weight > 0
    number = len(np.unique(codes[voted]))
    if number < 2:
        return np.full((problem.parameters, problem.parameters), np.nan)
    weighted = problem.rows.votes * problem.rows.weight[:, None]
    scores = _scores(problem, (weighted * at.d_eta).sum(axis=1), (weighted * at.d_tie).sum(axis=1))
    member = coo_array(
        (np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=(clusters, len(codes))
    )
    summed = csr_array(member) @ scores
    return (summed.T @ summed).toarray() * (number / (number - 1))


def _scores(problem: Problem, by_eta: FloatArray, by_tie: FloatArray) -> csr_array:
    """[rows, parameters], derivatives of each row's own log-likelihood."""
    rows, size = problem.rows, problem.size
    number = np.arange(len(rows.left))
    columns = [rows.left, rows.right]
    values = [by_eta, -by_eta]
    for place, z in enumerate(rows.extras.T):
        columns.append(np.full(len(number), size + place))
        values.append(by_eta * z)
    if problem.has_tie:
        columns.append(np.full(len(number), problem.parameters - 1))
        values.append(by_tie)
    return csr_array(
        coo_array(
            (np.concatenate(values), (np.tile(number, len(columns)), np.concatenate(columns))),
            shape=(len(number), problem.parameters),
        )
    )
