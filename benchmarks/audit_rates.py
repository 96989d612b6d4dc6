"""How often each probe of the audit raises an alarm, where nothing is wrong and where something is.

    python -m benchmarks.audit_rates --boards 200 --save

Clean leagues differ in how far the contestants are apart and how many voters there are. What speaks
up on them and should (neighbours that cannot be separated, a first rank that hangs on few votes)
is no false alarm; the docstrings of the probes tell which is which. One row for each league: the
share of boards on which each probe warns or fails.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.results import Row, add_output_options, report

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "ratings"))

from audit_boards import League
from audit_planted import CLEAN, PLANTED

from rostra.arena.ratings import audit

LEAGUES = {
    "clean, far apart": CLEAN,
    "clean, 20 voters": League(voters=20),
    "clean, 12 contestants, 1,000 votes": League(strengths=np.linspace(1, -1, 12), votes=1000),
    "clean, all equal": League(strengths=np.zeros(8)),
    "no side, but habits of 25 voters": League(habit=1.0, voters=25),
    **{f"planted for {name}": league for name, (league, _, _) in PLANTED.items()},
}


def rates(name: str, boards: int) -> Row:
    """By probe, the share of boards of a league with an alarm."""
    alarms: Counter[str] = Counter()
    for seed in range(boards):
        for finding in audit.run(LEAGUES[name].draw(seed).evidence(), quick=True):
            alarms[finding.name] += finding.verdict in ("warning", "fail")
    return {"league": name, **{probe: count / boards for probe, count in alarms.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", type=int, default=200, help="of each league")
    parser.add_argument("--leagues", nargs="+", choices=LEAGUES, help="default: all")
    add_output_options(parser)
    args = parser.parse_args()
    report(args, "audit_rates", [rates(name, args.boards) for name in args.leagues or LEAGUES])


if __name__ == "__main__":
    main()
