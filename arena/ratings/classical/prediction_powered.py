"""Few votes of people and many verdicts of judges: ratings of what people prefer.

Prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023, Science 382)
for maximum likelihood, with power tuning (Angelopoulos, Duchi and Zrnic 2023, PPI++, arXiv
2311.01453), by kind of battle (Fisch, Maynez, Hofer, Dhingra, Globerson and Cohen 2024, Stratified
prediction-powered inference, arXiv 2406.04291). With the score s(y) of a person's vote, and phi(f)
the part of the score of a verdict f that depends on what it says, the estimate solves

    sum over votes of [ s(y) - power * (phi(f) - mean of phi over verdicts of the same kind on
                                                 battles that nobody voted on) ] = 0

The bracket's second term has mean zero whatever the judge's bias is: its verdicts where people
voted are set against its verdicts on battles of the same kind where they did not. So the estimate
is people's, and as far as judge and people agree on which battles go which way, the difference
takes noise out of their votes. In Bradley and Terry's and in Davidson's model, multinomial logits,
phi does not depend on the parameters: the equation has the Hessian of people's votes, and one root.

The covariance is the sandwich H^-1 M H^-1, with H the information of the votes and M the sum, over
clusters, of squares of what each contributes to the equation, by its votes and through the means by
its verdicts elsewhere. A mean of n verdicts is given its n / (n - 1); a kind with one has none, and
corrects nothing. `power` minimises the mean variance of the strengths (PPI++, proposition 2), in
0 to 1: at 0 the votes stand alone.

What it takes: battles with both were chosen among their kind as those without a vote were. A judge
that was run on hard questions only where people voted is not corrected by them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.classical.fitting import fit_rows
from rostra.arena.ratings.classical.matched import NONE, Matched
from rostra.arena.ratings.classical.newton import NoMaximumError, Problem, factor
from rostra.arena.ratings.classical.outcomes import TieRule
from rostra.arena.ratings.classical.powered import PoweredSettings, PredictionPowered
from rostra.arena.ratings.classical.rows import Rows
from rostra.arena.ratings.errors import RatingsError

FloatArray = NDArray[np.float64]
STEPS = 60
TOLERANCE = 1e-9
"""Largest Newton step, natural log odds."""


def prediction_powered(
    data: Matched,
    settings: PoweredSettings = PoweredSettings(),  # noqa: B008 (frozen)
) -> PredictionPowered:
    """Raises RatingsError where people's votes alone have no finite estimate for everybody, or the
    anchor is no contestant."""
    size = len(data.contestants)
    if settings.anchor.name is not None and settings.anchor.name not in data.contestants:
        raise RatingsError(f"the anchor {settings.anchor.name!r} is not a contestant")
    problem, alone = _people(data, settings)
    scores = _scores(problem, data, alone)
    control, used, counts = _control(problem, data, settings.ties)
    by_cluster = _summed(data, scores, control)
    centre = np.eye(problem.parameters)
    centre[:size, :size] -= 1 / size

    def covariance(theta: FloatArray, power: float, a: FloatArray, b: FloatArray) -> FloatArray:
        inverse = centre @ _inverse(problem, theta)
        clusters = int(np.count_nonzero(a.any(axis=1)))
        meat = (a - power * b).T @ (a - power * b) * clusters / max(1, clusters - 1)
        return np.asarray((inverse @ meat @ inverse.T)[:size, :size])

    power = settings.power
    if power is None:
        inverse = (centre @ _inverse(problem, alone))[:size]
        a, b = (inverse @ part.T for part in by_cluster)
        noise = float((b * b).sum())
        power = float(np.clip((a * b).sum() / noise, 0, 1)) if noise > 0 else 0.0
    theta = _solve(problem, alone, power * control.sum(axis=0))
    at_theta = _summed(data, _scores(problem, data, theta), control)
    names = (*(["side"] if settings.side else []), *(["tie"] if problem.has_tie else []))
    return PredictionPowered(
        contestants=data.contestants,
        settings=settings,
        strengths=(centre @ theta)[:size],
        covariance=covariance(theta, power, *at_theta),
        people_strengths=(centre @ alone)[:size],
        people_covariance=covariance(alone, 0.0, *by_cluster),
        coefficients=dict(zip(names, theta[size:].tolist(), strict=True)),
        power=power,
        votes=len(data.left),
        paired=used,
        verdicts=counts[0],
        unused=counts[1],
    )


def _people(data: Matched, settings: PoweredSettings) -> tuple[Problem, FloatArray]:
    """The likelihood of people's votes, a row for each, and where it is highest."""
    number, size = len(data.left), len(data.contestants)
    rows = Rows(
        left=data.left,
        right=data.right,
        votes=np.eye(3)[data.outcome],
        weight=np.ones(number),
        extras=np.ones((number, int(settings.side))),
    )
    fitted = fit_rows(size, rows, settings.ties)
    if fitted.optimum is None or len(fitted.groups.size) > 1:
        why = fitted.groups.why_not(data.contestants)
        told = "; ".join(f"{name}: {reason}" for name, reason in list(why.items())[:3])
        raise RatingsError(
            "people's votes alone have no finite estimate for everybody, so verdicts cannot be "
            f"held to them; collect more votes ({told or 'outcomes are separated'})"
        )
    return fitted.problem, fitted.optimum.theta


def _scores(problem: Problem, data: Matched, theta: FloatArray) -> FloatArray:
    """[votes, parameters], derivative of each vote's log-likelihood."""
    at, rows = problem.outcomes(theta), problem.rows
    by_eta = (rows.votes * at.d_eta).sum(axis=1)
    scores = np.zeros((len(by_eta), problem.parameters))
    every = np.arange(len(by_eta))
    scores[every, data.left] += by_eta
    scores[every, data.right] -= by_eta
    extras = rows.extras.shape[1]
    scores[:, problem.size : problem.size + extras] = rows.extras * by_eta[:, None]
    if problem.has_tie:
        scores[:, -1] = (rows.votes * at.d_tie).sum(axis=1)
    return scores


def _control(
    problem: Problem, data: Matched, ties: TieRule
) -> tuple[FloatArray, int, tuple[int, int]]:
    """[verdicts, parameters], what each verdict takes from the equation at a power of 1; how many
    votes are corrected; how many verdicts without a vote correct, and how many do not."""
    votes = np.bincount(data.verdict[data.verdict != NONE], minlength=len(data.first))
    elsewhere = votes == 0
    kinds = int(data.kind.max()) + 1
    free = np.bincount(data.kind[elsewhere], minlength=kinds)
    here = np.bincount(data.kind, votes, minlength=kinds)
    total = np.zeros((kinds, 3))
    np.add.at(total, data.kind[elsewhere], data.shares[elsewhere])
    mean = total / np.maximum(free, 1)[:, None]
    works = (free > 1) & (here > 0)
    spread = np.sqrt(free / np.maximum(free - 1, 1)) * here / np.maximum(free, 1)
    times = np.where(elsewhere, -spread[data.kind], votes) * works[data.kind]
    apart = (data.shares - mean[data.kind]) * times[:, None]
    control = np.zeros((len(data.first), problem.parameters))
    every = np.arange(len(data.first))
    by_eta = (apart[:, 0] - apart[:, 2]) / 2
    control[every, data.first] = by_eta
    control[every, data.second] = -by_eta
    if problem.has_tie and ties == "davidson":
        control[:, -1] = apart[:, 1]
    working = int((elsewhere & works[data.kind]).sum())
    counts = working, int(elsewhere.sum()) - working
    return control, int(votes[works[data.kind]].sum()), counts


def _summed(
    data: Matched, scores: FloatArray, control: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """[clusters, parameters] each, of the votes' scores and of the verdicts' control."""
    clusters = int(max(data.vote_cluster.max(), data.verdict_cluster.max())) + 1
    found = []
    for cluster, values in ((data.vote_cluster, scores), (data.verdict_cluster, control)):
        summed = np.zeros((clusters, values.shape[1]))
        np.add.at(summed, cluster, values)
        found.append(summed)
    return found[0], found[1]


def _inverse(problem: Problem, theta: FloatArray) -> FloatArray:
    """[parameters, parameters], of the information; zero where a parameter does not move."""
    free = problem.free
    solve = factor(problem.information(problem.outcomes(theta)), free)
    inverse = np.zeros((problem.parameters, problem.parameters))
    inverse[np.ix_(free, free)] = solve(np.eye(len(free)))
    return inverse


def _solve(problem: Problem, start: FloatArray, shift: FloatArray) -> FloatArray:
    """[parameters], where the gradient of the likelihood is `shift`: the maximum of what is concave
    as the likelihood is."""
    theta, free = start, problem.free

    def height(at: FloatArray) -> float:
        return problem.value(at) - float(shift @ at)

    value = height(theta)
    try:
        for _ in range(STEPS):
            at = problem.outcomes(theta)
            gradient = (problem.gradient(at) - shift)[free]
            step = np.zeros_like(theta)
            step[free] = factor(problem.information(at), free)(gradient)
            size = 1.0
            while (found := height(theta + size * step)) < value - 1e-12 * abs(value):
                size /= 2
                if size < TOLERANCE:
                    break
            theta, value = theta + size * step, found
            if np.abs(step).max() < TOLERANCE:
                return theta
    except NoMaximumError:
        pass
    raise RatingsError(
        "corrected by the verdicts, people's votes have no finite estimate: they are too few; "
        "collect more, or lower the power"
    )
