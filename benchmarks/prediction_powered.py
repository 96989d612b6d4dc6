"""Whether prediction-powered intervals hold what they promise, and how much narrower they are.

    python -m benchmarks.prediction_powered --save --label simulated

Leagues are simulated in which a judge sees what people see of each battle, as far as `shared` says,
and is biased: for the side, for its own contestant, with a taste of its own and more decided than
people are. Few battles have votes, all have verdicts. Counted is the share of 95 % intervals of
strengths that hold the truth, which is what people's votes on endless battles give, with the width
of the intervals: by votes and verdicts, by people's votes alone, and by the verdicts alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.results import Row, add_output_options, report
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical import (
    LikelihoodSettings,
    MaximumLikelihood,
    PoweredSettings,
    matched,
    maximum_likelihood,
    prediction_powered,
)

FloatArray = NDArray[np.float64]
WIDTH = 1.96
TIE = 0.6
"""Half the band of differences, in logistic noise, that is called a tie."""


@dataclass(frozen=True)
class League:
    strengths: tuple[float, ...] = (0.8, 0.4, 0.1, -0.1, -0.5, -0.7)
    votes: int = 400
    """Battles that people vote on."""
    verdicts: int = 3000
    """Battles that the judge judges, those among them."""
    shared: float = 0.85
    """Share of battles of which judge and people see the same good and bad."""
    weight: float = 1.3
    """Of a difference in strength to the judge, 1 to people."""
    side: float = 0.6
    own: float = 1.0
    """For the first contestant."""
    taste: float = 0.4
    """For the last one."""

    def drawn(self, rng: np.random.Generator, battles: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """People's votes on battles, and the judge's verdicts on the same."""
        size, strengths = len(self.strengths), np.array(self.strengths)
        left = rng.integers(0, size, battles)
        right = (left + rng.integers(1, size, battles)) % size
        noise = rng.logistic(size=battles)
        same = rng.random(battles) < self.shared
        ahead = strengths[left] - strengths[right]
        liked = np.zeros(size)
        liked[0] += self.own
        liked[-1] += self.taste
        judged = self.weight * ahead + self.side + liked[left] - liked[right]
        judged += np.where(same, noise, rng.logistic(size=battles))
        names = np.array([f"m{i}" for i in range(size)])
        base = {
            "left": names[left],
            "right": names[right],
            "prompt": np.arange(battles).astype(str),
        }
        people, judge = (
            pl.DataFrame(
                {
                    **base,
                    "outcome": np.where(seen > TIE, "a", np.where(seen < -TIE, "b", "tie")),
                    "judge": pl.Series([name] * battles, dtype=pl.String),
                }
            )
            for seen, name in ((ahead + noise, None), (judged, "judge"))
        )
        return people, judge

    def truth(self, seed: int, battles: int) -> FloatArray:
        """[contestants], the strengths that people's votes on so many battles give."""
        people, _ = self.drawn(np.random.default_rng([seed, 1]), battles)
        return fitted(people).strengths


def simulated(league: League, rng: np.random.Generator) -> pl.DataFrame:
    people, judge = league.drawn(rng, league.verdicts)
    return pl.concat([people.head(league.votes), judge])


def fitted(votes: pl.DataFrame) -> MaximumLikelihood:
    board = Board.from_comparisons(votes.select("left", "right", "outcome").iter_rows())
    return maximum_likelihood(board, LikelihoodSettings(side=False))


LEAGUES = {
    "biased judge": League(),
    "unbiased judge": League(side=0, own=0, taste=0, weight=1.0),
    "perfect judge": League(side=0, own=0, taste=0, weight=1.0, shared=1.0),
    "random judge": League(weight=0, side=0, own=0, taste=0, shared=0.0),
    "150 votes": replace(League(), votes=150),
    "10,000 verdicts": replace(League(), verdicts=10_000),
}


def rows(name: str, league: League, leagues: int, battles: int) -> list[Row]:
    truth = league.truth(0, battles)
    held: dict[str, list[FloatArray]] = {}
    widths: dict[str, list[float]] = {}
    powers = []
    for seed in range(leagues):
        votes = simulated(league, np.random.default_rng([seed, 2]))
        found = prediction_powered(matched(votes), PoweredSettings(side=False))
        verdicts = fitted(votes.filter(pl.col("judge").is_not_null()))
        powers.append(found.power)
        size = len(truth)
        for by, strengths, covariance in (
            ("votes and verdicts", found.strengths, found.covariance),
            ("votes alone", found.people_strengths, found.people_covariance),
            ("verdicts alone", verdicts.strengths, verdicts.sandwich[:size, :size]),
        ):
            error = WIDTH * np.sqrt(np.diag(covariance))
            held.setdefault(by, []).append(np.abs(strengths - truth) < error)
            widths.setdefault(by, []).append(float(error.mean()))
    return [
        {
            "league": name,
            "by": by,
            "leagues": leagues,
            "coverage": round(float(np.mean(held[by])), 3),
            "width": round(2 * float(np.mean(widths[by])), 3),
            "against votes alone": round(
                float(np.mean(widths[by]) / np.mean(widths["votes alone"])), 2
            ),
            "power": round(float(np.mean(powers)), 2) if by == "votes and verdicts" else None,
        }
        for by in held
    ]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--leagues", type=int, default=400, help="of each kind")
    parser.add_argument("--battles", type=int, default=2_000_000, help="that the truth is of")
    add_output_options(parser)
    args = parser.parse_args(argv)
    found = [
        row
        for name, league in LEAGUES.items()
        for row in rows(name, league, args.leagues, args.battles)
    ]
    report(args, "prediction_powered", found)


if __name__ == "__main__":
    main()
