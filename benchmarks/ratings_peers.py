"""Classical ratings beside arena-rank, evalica and choix: `python -m benchmarks.ratings_peers`.

Each gets the same counts of pairs, ties and both-bad as half wins, no side effect: 50 contestants
and 100,000 synthetic votes, and the 129 contestants and 1.67 million votes of Chatbot Arena of
August 2024 (`--pairs FILE`). The peers have an environment of their own, made on demand or given by
`--venv`.

    s            seconds on the clock, median of the repeats, compiled and warm
    cpu_s        processor seconds, with those of processes it starts
    first_s      the first time, which compiles where something does
    rostra_s     of Rostra's function that does the same, and more: exact optimum and sandwich
    ..._to_rostra  the peer's seconds to Rostra's
    elo_apart    greatest difference of a rating from Rostra's, Elo points, both centred
    se_ratio     median of the peer's standard errors to Rostra's
    loglik_short what the peer's optimum falls short of Rostra's

Then how arena-rank and Rostra answer where no estimate exists, side by side.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import venvs
from benchmarks.loops import SCRIPTS, PeerError, last_line
from benchmarks.results import Row, add_output_options, report
from rostra.arena.ratings.board import Board
from rostra.arena.ratings.classical import bootstrap, maximum_likelihood
from rostra.arena.ratings.classical.fitting import fit_rows
from rostra.arena.ratings.classical.rows import LikelihoodSettings, Rows
from rostra.arena.ratings.errors import RatingsError
from rostra.arena.ratings.outcomes import outcome_probabilities
from rostra.arena.ratings.settings import ELO_PER_NAT

PACKAGES = ("arena-rank==0.1.1", "evalica==0.4.2", "choix==0.4.1")
SETTINGS = LikelihoodSettings(ties="half", side=False, both_bad="tie")
_CIRCLE = [["a", "b", "model_a"], ["b", "c", "model_a"], ["c", "a", "model_a"]] * 10
FACTS = {
    "undefeated": [*_CIRCLE, *[["u", "a", "model_a"]] * 5],
    "disconnected": [*_CIRCLE, *[["x", "y", "model_a"], ["y", "x", "model_a"]] * 5],
    "unknown label": [["a", "b", "model_a"], ["a", "b", "model_b"], ["a", "b", "skipped"]],
    "only ties": [["a", "b", "tie"]] * 5,
}


def synthetic(contestants: int, votes: int) -> Board:
    """Davidson's model, strengths normal with spread 0.6, pairs drawn evenly."""
    rng = np.random.default_rng(1)
    left, right = np.nonzero(~np.eye(contestants, dtype=bool))
    strengths = rng.normal(0, 0.6, contestants)
    met = rng.multinomial(votes, np.full(len(left), 1 / len(left)))
    chances = outcome_probabilities("davidson", strengths[left] - strengths[right], -0.1)
    table = np.pad(rng.multinomial(met, chances), ((0, 0), (0, 1)))
    return Board.of([f"c{number:03d}" for number in range(contestants)], left, right, table)


def from_pairs(path: Path) -> Board:
    """Columns model_a, model_b, win_a, win_b, tie, both_bad."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = sorted({row[side] for row in rows for side in ("model_a", "model_b")})
    index = {name: position for position, name in enumerate(names)}
    return Board.of(
        names,
        [index[row["model_a"]] for row in rows],
        [index[row["model_b"]] for row in rows],
        [[int(row[key]) for key in ("win_a", "tie", "win_b", "both_bad")] for row in rows],
    )


def timed(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Medians of seconds on the clock and of the processor, after one time to warm up."""
    work()
    taken = []
    for _ in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - start, time.process_time() - cpu))
    return statistics.median(s for s, _ in taken), statistics.median(s for _, s in taken)


def ask(python: Path, boards: dict[str, Board], args: argparse.Namespace) -> dict[str, Any]:
    """The script's answer. Raises PeerError."""
    asked = {
        "boards": {name: _counts(board) for name, board in boards.items()},
        "rows": FACTS,
        "rounds": args.rounds,
        "repeats": args.repeats,
    }
    with tempfile.TemporaryDirectory() as folder:
        file, found = Path(folder) / "boards.json", Path(folder) / "answer.json"
        file.write_text(json.dumps(asked), encoding="utf-8")
        done = subprocess.run(
            [str(python), str(SCRIPTS / "ratings_methods.py"), str(file), str(found)],
            capture_output=True,
            text=True,
            timeout=args.timeout,
            env={**os.environ, "PYTHONPATH": ""},
            check=False,
        )
        if done.returncode != 0:
            raise PeerError(last_line(done.stderr))
        answer: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return answer


def _counts(board: Board) -> dict[str, Any]:
    table = board.decided + np.outer(board.both_bad, [0, 1, 0])
    return {
        "contestants": len(board.contestants),
        "left": board.left.tolist(),
        "right": board.right.tolist(),
        "table": table.tolist(),
    }


def compare(name: str, board: Board, peers: dict[str, Any], args: argparse.Namespace) -> list[Row]:
    """A row for each of the peers' methods."""
    found = maximum_likelihood(board, SETTINGS)
    own = {"ml": timed(lambda: maximum_likelihood(board, SETTINGS), args.repeats)}
    errors = {"ml": found.sandwich_se / ELO_PER_NAT}
    if args.rounds:
        own["bootstrap"] = timed(lambda: bootstrap(board, SETTINGS, rounds=args.rounds), 1)
        draws = bootstrap(board, SETTINGS, rounds=args.rounds).draws
        errors["bootstrap"] = draws.std(axis=0) / ELO_PER_NAT
    problem = fit_rows(len(board.contestants), Rows.of(board, SETTINGS), "half").problem
    rows = []
    for peer, measured in peers.items():
        kind = "bootstrap" if "bootstrap" in peer else "ml"
        seconds, cpu = (statistics.median(each) for each in zip(*measured["repeats"], strict=True))
        strengths = np.array(measured["strengths"])
        strengths -= strengths.mean()
        row: Row = {
            "board": name,
            "peer": peer,
            "s": seconds,
            "cpu_s": cpu,
            "first_s": measured["first"][0],
            "rostra_s": own[kind][0],
            "rostra_cpu_s": own[kind][1],
            "s_to_rostra": seconds / own[kind][0],
            "cpu_s_to_rostra": cpu / own[kind][1],
            "elo_apart": float(ELO_PER_NAT * np.abs(strengths - found.strengths).max()),
            "loglik_short": found.loglik - problem.value(strengths),
        }
        if "se" in measured:
            row["se_ratio"] = float(np.median(np.array(measured["se"]) / errors[kind]))
        rows.append(row)
    return rows


def facts(theirs: dict[str, Any]) -> list[Row]:
    """What both say of boards on which not everybody can be rated."""
    outcome = {"model_a": "a", "model_b": "b", "tie": "tie"}
    rows = []
    for name, votes in FACTS.items():
        try:
            board = Board.from_comparisons((a, b, outcome.get(how, how)) for a, b, how in votes)
            found = maximum_likelihood(board, SETTINGS)
            ours = [
                f"{who} {found.ratings[i]:.0f} +/- {1.96 * found.sandwich_se[i]:.0f}"
                if found.rated[i]
                else f"{who}: {found.why[who]}"
                for i, who in enumerate(board.contestants)
            ]
            says = "; ".join([*ours, *found.notes])
        except RatingsError as error:
            says = f"refused: {error}"
        shown = (
            f"{who} {value[0]:.0f} +/- {value[1]:.0f}" if who != "error" else f"error: {value}"
            for who, value in theirs[name].items()
        )
        rows.append({"facts": name, "arena_rank": "; ".join(shown), "rostra": says})
    return rows


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contestants", type=int, default=50, help="of the synthetic board")
    parser.add_argument("--votes", type=int, default=100_000, help="of the synthetic board")
    parser.add_argument("--pairs", type=Path, help="a CSV file of pair counts, rated as well")
    parser.add_argument("--rounds", type=int, default=100, help="of the bootstrap; 0: none")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--timeout", type=float, default=900, help="seconds for all peers")
    parser.add_argument("--venv", type=Path, help="the peers' environment; default: made on demand")
    add_output_options(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    boards = {"synthetic": synthetic(args.contestants, args.votes)}
    if args.pairs:
        boards[args.pairs.stem] = from_pairs(args.pairs)
    try:
        given = venvs.python_of(args.venv.absolute()) if args.venv else None
        answer = ask(given or venvs.make("ratings", PACKAGES), boards, args)
    except (PeerError, subprocess.TimeoutExpired) as error:
        raise SystemExit(str(error)) from None
    rows = [
        row
        for name, board in boards.items()
        for row in compare(name, board, answer["boards"][name], args)
    ]
    for row in rows:
        row["version"] = answer["versions"][row["peer"].split()[0]]
    if args.pairs:
        args.pairs = args.pairs.name
    del args.venv
    report(args, "ratings_peers", [*rows, *facts(answer["rows"])])


if __name__ == "__main__":
    main()
