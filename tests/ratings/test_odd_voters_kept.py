"""Odd voters are kept beside the ratings that they were found with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from structured_votes import centred, simulate_votes

from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.fit import fit
from rostra.arena.ratings.odd_voters import odd_voters
from rostra.arena.ratings.reduce import Wanted
from rostra.arena.ratings.settings import FitSettings
from rostra.arena.refresh.odd_voters import FILE, load_odd_voters, save_odd_voters

TRUTH = centred([1.0, 0.5, 0.2, -0.2, -0.5, -1.0])
CONTRARY = "v003"


def board():
    """Sixteen voters with forty votes each, one of whom votes against what others see."""
    kinds = np.zeros(16, dtype=np.int64)
    kinds[3] = 2
    names = tuple(f"v{voter:03d}" for voter in range(16))
    levels = np.repeat(np.arange(16), 40)
    rng = np.random.default_rng(5)
    return simulate_votes(rng, TRUTH, levels, "voter", names, tie=0.3, kinds=kinds)


def test_they_are_found_in_votes_that_ratings_do_not_tell_apart(tmp_path) -> None:
    votes = board()
    posterior = fit(votes.pooled, FitSettings(engine="laplace"))
    asked = []
    found = save_odd_voters(
        posterior, tmp_path, lambda wanted: asked.append(wanted) or votes, Wanted(factors=("week",))
    )
    assert asked == [Wanted(factors=("week", "voter"))]
    assert CONTRARY in {each.voter for each in found.named}
    assert (found.tested, found.untested, found.why) == (16, 0, "")
    assert load_odd_voters(tmp_path) == found
    few = odd_voters(replace(posterior, board=votes), most=10)
    assert (len(few.tests), few.untested) == (10, 6)


def test_why_nobody_was_tested_is_kept_too(tmp_path) -> None:
    posterior = fit(board().pooled, FitSettings(engine="laplace"))

    def read(_wanted: Wanted):
        raise RatingsError("the votes do not tell who cast them")

    save_odd_voters(posterior, tmp_path, read, Wanted())
    assert load_odd_voters(tmp_path).why == "the votes do not tell who cast them"
    (tmp_path / FILE).write_text("{")
    assert load_odd_voters(tmp_path) is None
    assert load_odd_voters(tmp_path / "nowhere") is None
