"""A grid over the scales of a latent Gaussian model, centred on the mode and turned to its axes."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from rostra.arena.ratings.engines.latent import LatentModel
from rostra.arena.ratings.engines.newton import Conditional, NotApproximated, conditional

FloatArray = NDArray[np.float64]

STEP, DROP = {1: 0.75, 2: 1.0, 3: 1.25}, {1: 10.0, 2: 6.0, 3: 5.0}
"""By the number of scales: standard deviations between points, and how far below the mode's log
density that of a point may be. Wider for more, since points grow with the power."""
MAX_POINTS = 400
DIFFERENCE = 0.1
"""Of the logarithm of a scale, for second differences."""
MAX_MOVE = 1.0
MAX_MOVES = 30
CENTRED = 0.2
"""Standard deviations from the mode that count as there: the grid weighs its points anyway."""


def scale_grid(model: LatentModel, fineness: float = 1.0) -> list[Conditional]:
    """The approximations at the points of a grid, the most probable first.

    As Rue, Martino and Chopin (2009, section 3.2.1) explore the posterior of hyperparameters,
    in the coordinates of their formula 15.
    """
    centre, axes = _mode(model)
    points = {tuple([0] * len(axes)): centre}
    queue = deque(points)
    step, drop = STEP[len(axes)] / fineness, DROP[len(axes)]
    highest = centre.log_marginal
    while queue:
        place = queue.popleft()
        for neighbour in _neighbours(place):
            if neighbour in points:
                continue
            log_scales = centre.log_scales + step * axes @ np.array(neighbour)
            found = conditional(model, log_scales, points[place].mode)
            highest = max(highest, found.log_marginal)
            if found.log_marginal > highest - drop:
                points[neighbour] = found
                queue.append(neighbour)
        if len(points) > MAX_POINTS:
            raise NotApproximated(f"the scales' posterior needs more than {MAX_POINTS} points")
    return sorted(points.values(), key=lambda point: -point.log_marginal)


def _neighbours(place: tuple[int, ...]) -> list[tuple[int, ...]]:
    found = []
    for axis in range(len(place)):
        for move in (-1, 1):
            moved = list(place)
            moved[axis] += move
            found.append(tuple(moved))
    return found


def _mode(model: LatentModel) -> tuple[Conditional, FloatArray]:
    """The mode of the scales, and [scales, scales] with one standard deviation along each axis of
    the posterior in its columns."""
    at = np.array([prior.start for prior in model.scales.values()])
    here = conditional(model, at, np.zeros(model.size))
    for _ in range(MAX_MOVES):
        gradient, information = _differences(model, here)
        spread, axes = np.linalg.eigh(information)
        # Where the density is not concave, a step uphill of the largest size.
        curved = np.maximum(spread, 0.05)
        along = axes.T @ gradient / curved
        if np.abs(along * np.sqrt(curved)).max(initial=0.0) < CENTRED:
            return here, axes / np.sqrt(curved)
        move = axes @ along
        move *= min(1.0, MAX_MOVE / np.abs(move).max())
        here = conditional(model, here.log_scales + move, here.mode)
    raise NotApproximated("the posterior of the scales has no mode to be found")


def _differences(model: LatentModel, here: Conditional) -> tuple[FloatArray, FloatArray]:
    """Gradient and negative Hessian of the log marginal density of the scales."""
    count = len(here.log_scales)
    steps = DIFFERENCE * np.eye(count)

    def height(move: FloatArray) -> float:
        return conditional(model, here.log_scales + move, here.mode).log_marginal

    up = np.array([height(step) for step in steps])
    down = np.array([height(-step) for step in steps])
    gradient = (up - down) / (2 * DIFFERENCE)
    information = np.diag((2 * here.log_marginal - up - down) / DIFFERENCE**2)
    for i in range(count):
        for j in range(i):
            both = height(steps[i] + steps[j]) - up[i] - up[j] + here.log_marginal
            information[i, j] = information[j, i] = -both / DIFFERENCE**2
    return gradient, information
