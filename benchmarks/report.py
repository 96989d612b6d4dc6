"""From files of results to a page of tables and plots: `benchmarks/results/README.md`.

    python -m benchmarks.report

Each file of results is one run. Those of the same benchmark stand together, oldest first, so that
before and after can be read side by side; the plots show the newest one of each benchmark.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import FOLDER, Result, Row, table

PAGE = "README.md"
TITLES = {
    "engine": "The engine: prefill and decode",
    "serve": "The service, from outside",
    "peers": "Peers, in turn with Rostra",
    "translation": "What the gateway adds to a worker that only emits, beside LiteLLM",
    "translation_profile": "Where the gateway's time for a token goes",
    "floors": "What the machine can do at best",
    "profile": "Where the time of a decode step goes",
    "overhead": "All but the model, at 16 streams",
    "prefix": "Prefix caching",
    "speculation": "Speculation",
    "pressure": "A KV cache that is too small",
    "broadcast": "The plan's way to the other ranks",
    "structured": "Following grammars, at 16 streams",
    "startup": "From start to first token",
    "footprint": "Imports of each command, and each process at idle",
    "accuracy": "What lower precision does to answers",
    "kernels": "Kernels of a GPU",
    "ratings_peers": "Classical ratings beside arena-rank, evalica and choix",
    "ratings_speed": "How long ratings take",
    "ratings_calibration": "Whether intervals of ratings are right",
    "prediction_powered": "Few votes of people and many verdicts: intervals with and without",
    "vote_round_trips": "Real votes imported, exported and imported again",
    "vote_import": "A file of very many votes into a store",
    "reduction": "From stored votes to the counts that are rated",
    "audit_rates": "How often each probe of the audit raises an alarm",
    "matchmaking": "Votes until the order is known, by policy of matchmaking",
    "routing": "Policies of routing before simulated workers",
    "routing_served": "Policies of routing before real workers",
    "odd_voters": "Tests for odd voters: honest ones named, odd ones found",
    "sft": "Fine-tuning the demo model, and the same run killed and resumed",
    "closed_loop": "Votes, an adapter trained on them, and votes on the adapter",
}
"""Of the known benchmarks, in the order of the page; others follow under their own names."""


def read_all(folder: Path) -> list[Result]:
    """Every result of a folder, oldest first; what is none is named on standard error."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(Result.read(path))
        except ValueError as error:
            print(error, file=sys.stderr)
    return sorted(found, key=lambda result: str(result.machine.get("date")))


def page(results: Sequence[Result], plots: Sequence[str]) -> str:
    """Markdown. `plots` are file names beside the page."""
    lines = [
        "# Results",
        "",
        "Made by `make bench-report` from the JSON files in this folder, which hold everything",
        "measured. Ratios are of medians taken in turn on one machine. `spread` is the largest",
        "relative distance between repeats of a figure in its row: what differs by less says",
        "nothing.",
        "",
    ]
    known = [*TITLES, *sorted({result.benchmark for result in results} - {*TITLES})]
    for benchmark in known:
        runs = [result for result in results if result.benchmark == benchmark]
        if not runs:
            continue
        lines += [f"## {TITLES.get(benchmark, benchmark)}", ""]
        lines += [f"![{benchmark}]({name})\n" for name in plots if name == f"{benchmark}.svg"]
        for result in runs:
            lines += [f"### {heading(result)}", "", machine_line(result.machine), ""]
            lines += [f"`{command(result)}`", "", table(result.rows, markdown=True), ""]
    return "\n".join(lines).rstrip() + "\n"


def heading(result: Result) -> str:
    date = str(result.machine.get("date", ""))[:10]
    return f"{result.label}, {date}" if result.label else date


def machine_line(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {each}" for name, each in machine.get("versions", {}).items())
    parts = [
        machine.get("gpu"),
        f"{machine.get('processor')}, {machine.get('cores')} cores",
        f"{machine.get('memory_gib')} GiB",
        f"Python {machine.get('python')}",
        versions,
        f"commit {machine['commit']}" if machine.get("commit") else None,
    ]
    return "; ".join(part for part in parts if part) + "."


def command(result: Result) -> str:
    """The command that makes such a result again."""
    module = "engine" if "experiment" in result.arguments else result.benchmark
    words = [f"python -m benchmarks.{module}"]
    for name, value in result.arguments.items():
        flag = "--" + name.replace("_", "-")
        if name == "model" and result.arguments.get("random"):
            continue
        if value is True:
            words.append(flag)
        elif value not in (None, False, ""):
            values = value if isinstance(value, list) else [value]
            words += [f"{flag} {each}" for each in values]
    return " ".join(words)


def bars(rows: Sequence[Row]) -> tuple[list[str], dict[str, list[float]]] | None:
    """Labels and the ratios of each row that can be drawn against 1; None without any."""
    ratios = [
        key
        for key in dict.fromkeys(key for row in rows for key in row)
        if ("_of_" in key or key.endswith("_ratio") or "_to_" in key)
        and all(isinstance(row.get(key, 0.0), float) for row in rows)
    ]
    kept = [row for row in rows if any(key in row for key in ratios)]
    if not ratios or not kept:
        return None
    return [label(row) for row in kept], {
        key: [float(row.get(key, 0.0)) for row in kept] for key in ratios
    }


def label(row: Row) -> str:
    names = (
        *("peer", "load", "what", "format", "caches", "quantization", "streams", "batch"),
        "tokens_per_message",
    )
    parts = [f"{row[name]}" for name in names if row.get(name) not in (None, "none")]
    return ", ".join(parts)


def draw(result: Result, path: Path) -> bool:
    """Ratios as bars against a line at 1; False where the result has none."""
    data = bars(result.rows)
    if data is None:
        return False
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "rostra"  # the same figure gives the same file
    from matplotlib import pyplot

    labels, series = data
    height = 0.8 / len(series)
    figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.25 * len(labels) * len(series)))
    for number, (name, values) in enumerate(series.items()):
        at = [place + number * height for place in range(len(labels))]
        axes.barh(at, values, height, label=name.replace("_", " "))
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(labels))], labels)
    axes.invert_yaxis()
    axes.set_title(f"{TITLES.get(result.benchmark, result.benchmark)} ({heading(result)})")
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    return True


def write(folder: Path, plot: Callable[[Result, Path], bool] | None = draw) -> Path:
    """The page, and with `plot` a figure for the newest result of each benchmark."""
    results = read_all(folder)
    plots = []
    if plot is not None:
        for result in {result.benchmark: result for result in results}.values():
            path = folder / f"{result.benchmark}.svg"
            if plot(result, path):
                plots.append(path.name)
    target = folder / PAGE
    target.write_text(page(results, plots), encoding="utf-8")
    return target


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--no-plots", action="store_true", help="for hosts without matplotlib")
    args = parser.parse_args(arguments)
    print(write(args.folder, None if args.no_plots else draw))


if __name__ == "__main__":
    main()
