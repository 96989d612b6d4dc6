"""How often each probe of the audit raises an alarm, where nothing is wrong and where something is.

    python benchmarks/audit_rates.py --boards 200

Clean boards differ in how far the contestants are apart and how many voters there are. What speaks
up on them and should (neighbours that cannot be separated, a first rank that hangs on few votes)
is no false alarm; the docstrings of the probes tell which is which. Prints one line for each league
and probe with an alarm: the share of boards with a warning or a failure.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "ratings"))

from audit_boards import League
from audit_planted import CLEAN, PLANTED

from rostra.arena.ratings import audit

LEAGUES = {
    "clean, far apart": CLEAN,
    "clean, 20 voters": League(voters=20),
    "clean, 12 contestants, 1,000 votes": League(strengths=np.linspace(1, -1, 12), votes=1000),
    "clean, all equal": League(strengths=np.zeros(8)),
    **{f"planted for {name}": league for name, (league, _, _) in PLANTED.items()},
}


def rates(league: League, boards: int) -> dict[str, float]:
    """By probe, the share of boards with an alarm."""
    alarms: Counter[str] = Counter()
    for seed in range(boards):
        for finding in audit.run(league.draw(seed).evidence(), quick=True):
            alarms[finding.name] += finding.verdict in ("warning", "fail")
    return {name: count / boards for name, count in alarms.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", type=int, default=200, help="of each league")
    boards = parser.parse_args().boards
    for name, league in LEAGUES.items():
        print(f"{name}, {boards} boards", flush=True)
        for probe, share in rates(league, boards).items():
            if share:
                print(f"    {probe:16} {share:.3f}", flush=True)


if __name__ == "__main__":
    main()
