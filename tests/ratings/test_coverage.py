"""Intervals hold the truth as often as they say, over repeated simulation from the priors."""

from __future__ import annotations

import os

import numpy as np
import pytest
from ratings_boards import CONTESTANTS, draw_truth, simulate

from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.settings import FitSettings

SIMULATIONS = int(os.environ.get("ROSTRA_SIMULATIONS", "40"))
SETTINGS = FitSettings(chains=2, draws=500, tune=400, seed=3)
VOTES = 300


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_94_percent_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(2026)
    held = []
    for _ in range(SIMULATIONS):
        truth = draw_truth(rng)
        posterior = fit(simulate(rng, truth, VOTES), SETTINGS)
        draws = np.concatenate(
            [posterior.strengths, posterior.side[..., None], posterior.tie[..., None]], axis=-1
        )
        low, high = np.quantile(draws, [0.03, 0.97], axis=(0, 1))
        true = np.array([*truth.strengths, truth.side, truth.tie])
        held.append((low <= true) & (true <= high))
    shares = np.mean(held, axis=0)
    strengths = shares[:CONTESTANTS].mean()
    print(f"{SIMULATIONS} simulations: {strengths:.3f}, side {shares[-2]:.3f}, nu {shares[-1]:.3f}")

    # Four standard errors of a share. Strengths of one board sum to zero: one fewer is free.
    def tolerance(trials: int) -> float:
        return 4 * (0.94 * 0.06 / trials) ** 0.5

    assert strengths == pytest.approx(0.94, abs=tolerance(SIMULATIONS * (CONTESTANTS - 1)))
    assert shares[-2] == pytest.approx(0.94, abs=tolerance(SIMULATIONS))
    assert shares[-1] == pytest.approx(0.94, abs=tolerance(SIMULATIONS))
