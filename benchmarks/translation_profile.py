"""Where the gateway's time for a token goes: `python -m benchmarks.translation_profile`.

As `benchmarks.translation`, with the gateway under cProfile. That sees the thread of the event loop
only, so that the work of gRPC's own threads shows as a part of what waits for it, and it makes
short functions look dearer than they are. Rows are the functions with the most time of their own.

    calls_per_tok       times the function is entered for a token
    own_us_per_tok      microseconds in it, and not in what it calls
    share               of the time of all functions
"""

from __future__ import annotations

import argparse
import os
import pstats
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import translation
from benchmarks.loops import PeerError
from benchmarks.results import Row, add_output_options, report


def profile(args: argparse.Namespace, file: Path) -> None:
    """Leaves the profile of a gateway's whole life in a file. Raises PeerError."""
    cores = sorted(os.sched_getaffinity(0))
    with translation.emitter(1, set(cores[1:])) as addresses:

        def command(addresses: dict[str, str], port: int, folder: Path) -> list[str]:
            program, *rest = translation.rostra(addresses, port, folder)
            return [program, "-m", "cProfile", "-o", str(file), *rest]

        with translation.started(command, addresses, cores[0], file.parent) as gateway:
            row = translation.throughput(gateway, args, args.tokens)
            print(f"under cProfile: {row}", file=sys.stderr, flush=True)


def rows_of(stats: pstats.Stats, tokens: int, top: int) -> list[Row]:
    """What runs for tokens; what a gateway does once, as it starts, is left out."""
    entries = {
        where: (calls, own)
        for where, (_, calls, own, _, _) in stats.stats.items()  # type: ignore[attr-defined]
        if calls >= 0.05 * tokens or where[2] == "run"
    }
    total = sum(own for _, own in entries.values())
    ordered = sorted(entries.items(), key=lambda entry: -entry[1][1])
    return [
        {
            "function": _name(*where),
            "calls_per_tok": calls / tokens,
            "own_us_per_tok": own / tokens * 1e6,
            "share": own / total,
        }
        for where, (calls, own) in ordered[:top]
    ]


def _name(file: str, line: int, function: str) -> str:
    path = Path(file)
    return function if file == "~" else f"{path.parent.name}/{path.name} {function}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=500, help="of each stream")
    parser.add_argument("--top", type=int, default=25, help="functions to show")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for all streams")
    add_output_options(parser)
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "profile"
        try:
            profile(args, file)
        except PeerError as error:
            raise SystemExit(str(error)) from None
        rows = rows_of(pstats.Stats(str(file)), args.streams * args.tokens, args.top)
    report(args, "translation_profile", rows)


if __name__ == "__main__":
    main()
