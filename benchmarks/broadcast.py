"""What tensor parallelism adds to a step on one host: a plan from rank 0 to the others, and the
tokens that rank 0 sampled.

    python -m benchmarks.broadcast --ranks 2 --ranks 4 --requests 16

No model runs: between two steps the ranks wait as they would for one, by default for 5 ms.
`plan_ms` is from the moment rank 0 has planned a decode step until the last rank has the plan,
`leader_ms` that part of it for which rank 0 itself is held up, and `tokens_ms` how long the
broadcast of the sampled tokens takes rank 0. Each is the median over all steps but the first tenth.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from benchmarks.results import Row, add_output_options, median_row, report
from rostra.mesh.distributed.channel import Channel, Launch
from rostra.mesh.distributed.parallel import DistributedParallel
from rostra.mesh.distributed.place import Place
from rostra.mesh.engine.plan import ScheduledRequest, StepPlan

Times = tuple[float, ...]
"""Of one step, on the clock of the host that all processes share."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, action="append", help="default: 2")
    parser.add_argument("--requests", type=int, action="append", help="default: 1, 16 and 64")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--gap-ms", type=float, default=5.0, help="what a step takes")
    parser.add_argument("--repeats", type=int, default=3)
    add_output_options(parser)
    args = parser.parse_args(arguments)
    args.ranks = args.ranks or [2]
    args.requests = args.requests or [1, 16, 64]
    rows: list[Row] = []
    for ranks in args.ranks:
        for requests in args.requests:
            repeats = [
                measure(ranks, requests, args.steps, args.gap_ms / 1000)
                for _ in range(args.repeats)
            ]
            rows.append({"ranks": ranks, "requests": requests} | median_row(repeats))
    report(args, "broadcast", rows)


def measure(ranks: int, requests: int, steps: int, gap: float) -> Row:
    """One group, for `steps` decode steps of that many requests."""
    context = multiprocessing.get_context("spawn")
    results: Any = context.SimpleQueue()
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            context.Process(
                target=_rank,
                args=(
                    Place(
                        rank=rank,
                        size=ranks,
                        local_rank=rank,
                        local_size=ranks,
                        meeting_file=str(Path(folder) / "meeting"),
                    ),
                    decode_step(requests),
                    steps,
                    gap,
                    results,
                ),
                daemon=True,
            )
            for rank in range(ranks)
        ]
        for process in processes:
            process.start()
        times = dict(results.get() for _ in processes)
        for process in processes:
            process.kill()
            process.join()
    leader = times.pop(0)[steps // 10 :]
    received = [max(each) for each in zip(*times.values(), strict=True)][steps // 10 :]
    planned, sent, sampling, sampled = zip(*leader, strict=True)
    return {
        "plan_bytes": len(msgspec.msgpack.encode(Launch(decode_step(requests), 1))),
        "plan_ms": _median_ms(planned, [last for (last,) in received]),
        "leader_ms": _median_ms(planned, sent),
        "tokens_ms": _median_ms(sampling, sampled),
    }


def decode_step(requests: int) -> StepPlan:
    """A token for each; every sixteenth has come to a new block."""
    return StepPlan(
        finished=[],
        new=[],
        scheduled=[
            ScheduledRequest(
                f"{i:08x}-0000-4000-8000-000000000000", 1000 + i, 1, [i] if i % 16 == 0 else []
            )
            for i in range(requests)
        ],
    )


def _rank(place: Place, plan: StepPlan, steps: int, gap: float, results: Any) -> None:
    torch.set_num_threads(1)
    parallel = DistributedParallel(place, torch.device("cpu"))
    channel = Channel(parallel)
    tokens = torch.zeros(len(plan.scheduled), dtype=torch.int64)
    times: list[Times] = []
    for _ in range(steps):
        if place.rank == 0:
            planned = time.perf_counter()
            channel.send(Launch(plan, 1))
            sent = time.perf_counter()
            time.sleep(gap)
            sampling = time.perf_counter()
            parallel.broadcast(tokens)
            times.append((planned, sent, sampling, time.perf_counter()))
        else:
            channel.receive()
            times.append((time.perf_counter(),))
            time.sleep(gap)
            parallel.broadcast(tokens)
    results.put((place.rank, times))
    # Not before the others have measured their last step.
    parallel.wait()


def _median_ms(starts: Sequence[float], ends: Sequence[float]) -> float:
    return 1000 * statistics.median(end - start for start, end in zip(starts, ends, strict=True))


if __name__ == "__main__":
    main()
