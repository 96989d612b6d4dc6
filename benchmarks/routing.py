"""Which policy of routing finds prompts in caches without loading some workers more than others.

    python -m benchmarks.routing --save --label simulated

Traces of requests whose prompts begin alike are replayed over simulated workers, behind several
gateways that share nothing, by the same policies as the gateway's. Every request goes to a random
gateway, whose reports of load are old. Each policy gets the same requests.

`hit_rate` is the part of prompts, in blocks, that was cached where they went; `first_token` runs
from arrival to the end of the prompt; `imbalance` is the greatest load of a worker over the mean
one, five times a second. The least it can be is that of `least load, all seen`: one gateway, which
therefore knows of every request, and looks at nothing but the load. Where workers have few requests
each that is well above 1. `prefix without events` is prefix affinity that knows only what its own
gateway sent; `prefix` is also told by workers what they have cached. Columns with `_of_` are ratios
to round robin, and to the least imbalance, on the same trace.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.results import Row, add_output_options, report
from benchmarks.resumable import run_all
from benchmarks.routing_simulation import Mesh, simulate
from benchmarks.routing_traces import TRACES, draw
from rostra.gateway.routing.settings import PolicyName, RoutingSettings

RATES = {"chat": 6.0, "system_prompts": 4.0, "agents": 1.8, "unrelated": 4.0, "mixed": 2.8}
"""Requests a second for each worker: about two thirds of what round robin can bear."""
WARM_UP = 0.5
"""Of the time, which is not measured: conversations begin, and caches fill."""
WITHOUT_EVENTS = "prefix without events"
FLOOR = "least load, all seen"
"""Nobody who spreads requests as they come can spread them much more evenly."""
POLICIES: dict[str, PolicyName] = {
    "round robin": "round_robin",
    "power of two": "power_of_two",
    FLOOR: "least_load",
    "least load": "least_load",
    "consistent hash": "consistent_hash",
    WITHOUT_EVENTS: "prefix",
    "prefix": "prefix",
}


class Task(NamedTuple):
    trace: str
    policy: str
    workers: int
    gateways: int
    seconds: float
    load_bound: float
    report_seconds: float
    seed: int


def tasks(args: argparse.Namespace) -> list[Task]:
    return [
        Task(
            trace,
            policy,
            args.workers,
            args.gateways,
            args.seconds,
            args.load_bound,
            args.report_seconds,
            args.seed,
        )
        for trace in args.trace or TRACES
        for policy in POLICIES
    ]


def work(task: Task) -> dict[str, float]:
    arrivals = draw(task.trace, RATES[task.trace] * task.workers, task.seconds, task.seed)
    mesh = Mesh(
        workers=task.workers,
        gateways=1 if task.policy == FLOOR else task.gateways,
        report_seconds=task.report_seconds,
        kv_events=task.policy != WITHOUT_EVENTS,
    )
    return simulate(
        arrivals,
        mesh,
        RoutingSettings(load_bound=task.load_bound),
        POLICIES[task.policy],
        warm_up=WARM_UP * task.seconds,
        seed=task.seed,
    )


def rows(done: dict[Task, dict[str, float]]) -> list[Row]:
    """By trace, in the order of the policies."""
    found: list[Row] = []
    for task, measured in done.items():
        base = done[task._replace(policy="round robin")]
        row: Row = {"load": task.trace, "peer": task.policy, **measured}
        least = done[task._replace(policy=FLOOR)]["imbalance_p99"]
        row["imbalance_p99_of_least"] = measured["imbalance_p99"] / least
        if task.policy != "round robin":
            for name in ("hit_rate", "first_token_p50_ms", "first_token_p99_ms"):
                if base[name]:
                    row[f"{name.removesuffix('_ms')}_of_round_robin"] = measured[name] / base[name]
        found.append(row)
    order = [*TRACES]
    return sorted(found, key=lambda row: (order.index(row["load"]), [*POLICIES].index(row["peer"])))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trace", action="append", choices=TRACES, help="default: all of them")
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--gateways", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0, help="simulated, half of it warm-up")
    parser.add_argument("--load-bound", type=float, default=RoutingSettings().load_bound)
    parser.add_argument(
        "--report-seconds", type=float, default=0.5, help="between reports of a worker's load"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("build/routing"))
    add_output_options(parser)
    args = parser.parse_args(arguments)
    report(args, "routing", rows(run_all(tasks(args), work, args.work, args.processes)))


if __name__ == "__main__":
    main()
