"""How long gateways send requests to a worker that is gone: cut off, or killed.

    python -m benchmarks.partition

From the cut, and from the kill -9, until the worker is out of each gateway's routing table, by what
the gateway's own /ready says.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.mesh_namespaces import add_network_option, network_of
from benchmarks.mesh_network import Network
from benchmarks.mesh_processes import Mesh, mesh, until
from benchmarks.results import Row, add_output_options, report
from benchmarks.tiny_model import save_tiny_model

LIMITS = {"cut": 10.0, "kill": 3.0}
"""Seconds in which a worker has to be out."""
_PATIENCE = 60.0


async def _leaves(mesh: Mesh, gateway: int, address: str, since: float) -> float:
    """Seconds until it is out there; infinite where it stays."""
    try:
        await until(lambda: mesh.is_out(gateway, address), _PATIENCE)
    except TimeoutError:
        return float("inf")
    return time.monotonic() - since


async def lose(mesh: Mesh, what: str, number: int) -> Row:
    """One worker, in one way; returns when it is back."""
    node, address = mesh.workers[number], mesh.network.address(number)
    began = time.monotonic()
    if what == "cut":
        await mesh.network.cut(number)
    else:
        await node.kill()
    seconds = await asyncio.gather(
        *(_leaves(mesh, gateway, address, began) for gateway in range(len(mesh.gateways)))
    )
    began = time.monotonic()
    if what == "cut":
        await mesh.network.mend(number)
    else:
        await node.start()
    await mesh.whole()
    return {
        "network": mesh.network.kind,
        "what": what,
        "worker": number + 1,
        "slowest_gateway_s": max(seconds),
        "limit_s": LIMITS[what],
        "back_s": time.monotonic() - began,
    }


async def measure(args: argparse.Namespace, folder: Path, network: Network) -> list[Row]:
    model = folder / "model"
    await asyncio.to_thread(save_tiny_model, model)
    async with mesh(
        model, folder, workers=args.workers, gateways=args.gateways, network=network
    ) as running:
        return [
            await lose(running, what, number % args.workers)
            for number in range(args.rounds)
            for what in LIMITS
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument("--work", type=Path, help="folder for logs; default: one that is deleted")
    add_network_option(parser)
    add_output_options(parser)
    args = parser.parse_args()
    network = network_of(args, "benchmarks.partition")
    with tempfile.TemporaryDirectory(prefix="partition-") as scratch:
        folder = args.work or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        rows = asyncio.run(measure(args, folder, network))
    report(args, "partition", rows)
    if any(row["slowest_gateway_s"] > row["limit_s"] for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
