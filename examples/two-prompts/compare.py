"""Which of two system prompts people prefer, from the folder that `rostra rate` has written.

    python compare.py FOLDER [--rope 20]

Prints how probable each answer to the question is, and what to do about it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rostra.arena.ratings.plots.difference import difference
from rostra.arena.ratings.posterior import Posterior
from rostra.arena.ratings.summary.pairs import difference as summarise

ENOUGH = 0.95
"""Probability from which on this calls a question answered. Choose it before the first vote."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a result, or the folder with `latest` in it")
    parser.add_argument(
        "--rope", type=float, default=20.0, help="Elo points that make no difference to you"
    )
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    latest = folder / "latest"
    posterior = Posterior.load(folder / latest.read_text().strip() if latest.exists() else folder)
    print(f"{posterior.board.num_votes} votes. {difference(posterior, rope=arguments.rope).text}")
    first, second = (row.contestant for row in posterior.rows[:2])
    told = summarise(posterior, first, second, arguments.rope)
    if told.above > ENOUGH:
        print(f"Decided: use {first}.")
    elif told.inside > ENOUGH:
        print("Decided: they are equal in practice. Use the one that costs less.")
    else:
        print("Not decided by these votes.")


if __name__ == "__main__":
    main()
