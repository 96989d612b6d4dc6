"""Real votes: 8,931 by crowd workers on 59 models (dustalov/llmfao, CC BY 4.0)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.fit import fit

OUTCOME = {"left": "a", "right": "b", "tie": "tie"}


@pytest.mark.slow
def test_the_side_effect_and_the_ties_of_real_votes(shared_data: Path) -> None:
    with (shared_data / "llmfao" / "votes.csv").open(encoding="utf-8") as file:
        rows = [(row["left"], row["right"], OUTCOME[row["winner"]]) for row in csv.DictReader(file)]
    counts = Board.from_comparisons(rows)
    assert (counts.num_votes, len(counts.contestants)) == (8931, 59)

    posterior = fit(counts)
    assert posterior.diagnostics.ok, posterior.summary
    # Odds of the left answer given a decision: exp(side); equals tie with nu / (2 + nu).
    assert posterior.side.mean() == pytest.approx(0.16, abs=0.01)
    assert np.quantile(posterior.side, [0.03, 0.97]) == pytest.approx([0.10, 0.22], abs=0.01)
    assert posterior.tie.mean() == pytest.approx(0.39, abs=0.01)
    assert posterior.table()[0].contestant == "GPT 4"
