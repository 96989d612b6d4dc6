"""Maximum likelihood by arena-rank, evalica and choix, ties as half wins, on counts of pairs.

    python ratings_methods.py BOARDS.json ANSWER.json

BOARDS.json: {"boards": {name: {"contestants": number, "left": [...], "right": [...], "table":
[[left wins, ties, right wins], ...]}}, "rows": {name: [[model_a, model_b, winner], ...]},
"rounds": of the bootstrap, 0 for none, "repeats": of each timing}. The answer holds for each board
and method what each repeat took, the strengths (natural log odds) and, where there are some, the
standard errors; for each list of rows what arena-rank makes of it.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import choix
import evalica
import jax.numpy as jnp
import numpy as np
import pandas as pd
from arena_rank.models.bradley_terry import BradleyTerry
from arena_rank.utils.data_utils import PairDataset

NATS = math.log(10) / 400


def cpu_seconds() -> float:
    """Of this process and of those it waited for."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def timed(work: Callable[[], dict[str, Any]], repeats: int, warm: bool = True) -> dict[str, Any]:
    """With `warm`, the first time is told apart: what compiles does so then."""
    taken = []
    for _ in range(repeats + warm):
        start, cpu = time.perf_counter(), cpu_seconds()
        found = work()
        taken.append([time.perf_counter() - start, cpu_seconds() - cpu])
    return {"first": taken[0], "repeats": taken[warm:], **found}


def arena_rank(board: dict[str, Any], method: str, rounds: int) -> dict[str, Any]:
    """From the counts that its own `from_pandas` would make of the votes."""
    table = np.array(board["table"], dtype=float)
    pairs = np.column_stack([board["left"], board["right"]])
    cells = np.argwhere(table > 0)
    counts = table[table > 0]
    dataset = PairDataset(
        competitors=[str(number) for number in range(board["contestants"])],
        pairs=jnp.array(pairs[cells[:, 0]]),
        outcomes=jnp.array(np.array([1.0, 0.5, 0.0])[cells[:, 1]]),
        counts=jnp.array(counts),
        weights=jnp.ones(len(counts)),
        opt_weights=jnp.array(counts),
    )
    found = BradleyTerry(board["contestants"]).compute_ratings_and_cis(
        dataset, ci_method=method, num_bootstrap=rounds
    )
    ratings = np.asarray(found["ratings"])
    return {
        "strengths": (NATS * (ratings - ratings.mean())).tolist(),
        "se": (NATS * np.sqrt(np.asarray(found["variances"]))).tolist(),
    }


def by_evalica(board: dict[str, Any]) -> dict[str, Any]:
    table = np.array(board["table"], dtype=float)
    winners = [evalica.Winner.X, evalica.Winner.Draw, evalica.Winner.Y]
    cells = np.argwhere(table > 0)
    found = evalica.bradley_terry(
        [board["left"][row] for row, _ in cells],
        [board["right"][row] for row, _ in cells],
        [winners[outcome] for _, outcome in cells],
        weights=[float(each) for each in table[table > 0]],
        limit=10_000,
    )
    return {"strengths": np.log(found.scores.sort_index().to_numpy()).tolist()}


def by_choix(board: dict[str, Any]) -> dict[str, Any]:
    table = np.array(board["table"], dtype=float)
    wins = np.zeros((board["contestants"],) * 2)
    np.add.at(wins, (board["left"], board["right"]), table[:, 0] + table[:, 1] / 2)
    np.add.at(wins, (board["right"], board["left"]), table[:, 2] + table[:, 1] / 2)
    return {"strengths": choix.ilsr_pairwise_dense(wins).tolist()}


def facts(rows: list[list[str]]) -> dict[str, Any]:
    """Ratings and half widths of 95 % intervals, as arena-rank gives them."""
    try:
        dataset = PairDataset.from_pandas(
            pd.DataFrame(rows, columns=["model_a", "model_b", "winner"])
        )
        found = BradleyTerry(len(dataset.competitors)).compute_ratings_and_cis(dataset)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    half = (np.asarray(found["rating_upper"]) - np.asarray(found["rating_lower"])) / 2
    shown = zip(found["competitors"], np.asarray(found["ratings"]), half, strict=True)
    return {name: [float(rating), float(width)] for name, rating, width in shown}


def main() -> None:
    # Its bootstrap would fork a process with JAX's threads, which stops for good.
    multiprocessing.set_start_method("spawn")
    with open(sys.argv[1], encoding="utf-8") as file:
        asked = json.load(file)
    repeats, rounds = asked["repeats"], asked["rounds"]
    measured: dict[str, dict[str, Any]] = {}
    for name, board in asked["boards"].items():
        measured[name] = {
            "arena-rank": timed(partial(arena_rank, board, "sandwich", rounds), repeats),
            "evalica": timed(partial(by_evalica, board), repeats),
            "choix": timed(partial(by_choix, board), repeats),
        }
        if rounds:
            # Each of its rounds compiles in a process of its own: nothing is ever warm.
            resampled = partial(arena_rank, board, "bootstrap", rounds)
            measured[name]["arena-rank bootstrap"] = timed(resampled, 1, warm=False)
    answer = {
        "versions": {name: version(name) for name in ("arena-rank", "evalica", "choix", "jax")},
        "boards": measured,
        "rows": {name: facts(rows) for name, rows in asked["rows"].items()},
    }
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(answer, file)


# arena-rank's bootstrap starts processes that import this module again.
if __name__ == "__main__":
    main()
