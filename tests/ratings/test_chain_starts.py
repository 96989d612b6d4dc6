"""Chains of models with a mirror image start on the side that most votes are on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

from rostra.arena.ratings.engines.starts import log_odds, started


def test_the_order_as_most_votes_see_it() -> None:
    votes = np.array([[8, 1, 2], [5, 0, 5]])
    data = {"left": np.array([0, 1]), "right": np.array([1, 2]), "votes": votes}
    expected = np.log([9 / 3, 8 / 14, 6 / 6])
    assert log_odds(data, 3) == pytest.approx(expected - expected.mean())


@dataclass
class Compiled:
    initial_point_func: Any


def test_strengths_stand_behind_the_scale() -> None:
    strength = np.array([1.0, -0.25, -0.75])
    with pm.Model() as model:
        pm.LogNormal("scale")
        pm.ZeroSumNormal("strength", shape=3)
        pm.Normal("side")
    free = Compiled(lambda seed: np.array([0.5, 0.0, 0.0, float(seed)]))
    point = started(free, strength).initial_point_func(7)
    names = [each.name for each in model.value_vars]
    assert names == ["scale_log__", "strength_zerosum__", "side"]
    transform = model.rvs_to_transforms[model["strength"]]
    there = transform.backward(pt.as_tensor(point[1:3])).eval()
    assert there == pytest.approx(strength)
    assert (point[0], point[3]) == (0.5, 7.0)
