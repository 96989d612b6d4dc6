"""Many short requests to a worker and a gateway, and what the processes hold before and after.

    python -m benchmarks.soak --requests 100000

Resident memory, file descriptors, threads and blocks of the KV cache must not have grown.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc

from benchmarks.mesh_clients import Clients, Tally, questions
from benchmarks.mesh_processes import Footprint, Mesh, Node, mesh
from benchmarks.results import Row, add_output_options, report
from benchmarks.tiny_model import save_tiny_model
from rostra.v1 import control_pb2, control_pb2_grpc

WORKER_OPTIONS = ("--max-model-len", "512", "--kv-cache-bytes", "33554432")
_DEADLINE = 120.0
_LONGEST_SETTLING = 60.0
"""Seconds for connections to close and for what ended to be counted."""
MEBIBYTES = 16.0
"""By which resident memory may differ: an allocator's pools are no leak, and a hundred bytes a
request would be ten in a hundred thousand."""
DESCRIPTORS = 4
THREADS = 4


async def load_of(mesh: Mesh) -> control_pb2.GetLoadResponse:
    async with grpc.aio.insecure_channel(mesh.addresses[0]) as channel:
        control: Any = control_pb2_grpc.ControlStub(channel)
        load: control_pb2.GetLoadResponse = await control.GetLoad(control_pb2.GetLoadRequest())
        return load


async def settled(mesh: Mesh) -> control_pb2.GetLoadResponse:
    """The load once nothing runs. Raises TimeoutError where something goes on."""
    async with asyncio.timeout(_LONGEST_SETTLING):
        while (load := await load_of(mesh)).running_requests or load.waiting_requests:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return load


async def footprint(node: Node) -> Footprint:
    found = await asyncio.to_thread(node.footprint)
    if found is None:
        raise SystemExit(f"{node.name} has ended; see {node.log}")
    return found


async def ask(mesh: Mesh, asked: list[Any], number: int, clients: int) -> Tally:
    running = Clients(mesh, asked, clients, _DEADLINE, slow_every=0)
    await running.asked(number)
    return await running.finish()


async def soak(
    folder: Path, requests: int, clients: int, warm_up: int
) -> tuple[list[Row], list[str]]:
    """A row for each process, and what has grown or gone wrong."""
    model = folder / "model"
    await asyncio.to_thread(save_tiny_model, model)
    async with mesh(model, folder, workers=1, gateways=1, worker_options=WORKER_OPTIONS) as running:
        asked = await questions(running.urls[0], 16, 4)
        # The prefix cache fills, and so do pools of threads and memory.
        await ask(running, asked, warm_up, clients)
        load = await settled(running)
        before = [await footprint(node) for node in running.nodes]
        began = time.monotonic()
        tally = await ask(running, asked, requests, clients)
        seconds = time.monotonic() - began
        load_after = await settled(running)
        after = [await footprint(node) for node in running.nodes]
    bad = [*tally.bad]
    if tally.counts["right"] != tally.total:
        bad.append(f"{tally.total - tally.counts['right']} of {tally.total} were not answered")
    used, used_after = load.kv_blocks_used, load_after.kv_blocks_used
    if used or used_after:
        bad.append(f"requests that ended hold {used} KV blocks before and {used_after} after")
    rows: list[Row] = []
    for node, first, last in zip(running.nodes, before, after, strict=True):
        rows.append(
            {
                "process": node.name,
                "requests": tally.total,
                "seconds": seconds,
                "mib_before": first.mebibytes,
                "mib_after": last.mebibytes,
                "descriptors_before": first.descriptors,
                "descriptors_after": last.descriptors,
                "threads_before": first.threads,
                "threads_after": last.threads,
                "kv_blocks_used_after": used_after,
            }
        )
        bad += grown(node.name, first, last)
    return rows, bad


def grown(name: str, first: Footprint, last: Footprint) -> list[str]:
    """In words."""
    allowed = {"mebibytes": MEBIBYTES, "descriptors": DESCRIPTORS, "threads": THREADS}
    return [
        f"{name}: {what} grew from {getattr(first, what):g} to {getattr(last, what):g}"
        for what, most in allowed.items()
        if getattr(last, what) > getattr(first, what) + most
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--warm-up", type=int, default=5_000, help="requests before the first look")
    parser.add_argument("--work", type=Path, help="folder for logs; default: one that is deleted")
    add_output_options(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        folder = args.work or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        rows, bad = asyncio.run(soak(folder, args.requests, args.clients, args.warm_up))
    report(args, "soak", rows)
    for line in bad:
        print(line, file=sys.stderr)
    if bad:
        sys.exit(1)


if __name__ == "__main__":
    main()
