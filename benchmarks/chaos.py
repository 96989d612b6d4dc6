"""Breaks a mesh in every way there is, while clients ask questions whose answers are known.

    python -m benchmarks.chaos --clients 200 --minutes 10

Real processes of a tiny model: three workers, two gateways, a network that can be cut: namespaces
where the machine allows them (iproute2; root, or user namespaces), else proxies. Every request must
end in time: with exactly the right answer, or with an error of docs/failover.md.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.mesh_clients import Clients, Tally, questions
from benchmarks.mesh_namespaces import add_network_option, network_of
from benchmarks.mesh_network import Network
from benchmarks.mesh_processes import Mesh, Node, mesh
from benchmarks.results import Row, add_output_options, report
from benchmarks.tiny_model import save_tiny_model

REQUEST_TIMEOUT = 30.0
"""Seconds that a gateway gives a request."""
SLACK = 15.0
"""Seconds beyond that in which a client must have heard of it."""
SETTINGS = f"""\
request_timeout = {REQUEST_TIMEOUT}
drain_grace = 20.0
"""
WORKER_OPTIONS = ("--max-model-len", "512", "--kv-cache-bytes", "33554432")
_OF_WARM_UP = 10
"""Samples of a process that are left out: it still fills its pools."""
_OVERLAP = 5.0
"""Seconds for which a client may notice the end of its gateway before or after it."""


class Chaos:
    """What happens to a mesh. To one worker at a time, so that there is always one that answers;
    to one gateway at a time, so that there is always one to go to."""

    def __init__(self, mesh: Mesh, rng: random.Random) -> None:
        self.happened: Counter[str] = Counter()
        self.bad: list[str] = []
        """What must never be, in words."""
        self._mesh = mesh
        self._rng = rng
        self._of_workers: dict[str, Callable[[int], Awaitable[None]]] = {
            "kill worker": self._kill_worker,
            "kill engine": self._kill_engine,
            "stop": self._stop,
            "cut": self._cut,
            "reset": self._reset,
            "drain": self._drain,
            "full disk": self._full_disk,
        }
        self._of_gateways: dict[str, Callable[[int], Awaitable[None]]] = {
            "kill gateway": self._kill_gateway,
            "restart gateway": self._restart_gateway,
            "gateway's full disk": self._gateway_full_disk,
        }

    @property
    def kinds(self) -> tuple[list[str], list[str]]:
        """Of what happens to workers, and to gateways."""
        return list(self._of_workers), list(self._of_gateways)

    async def cause(self, what: str, number: int) -> None:
        """One, to this worker or gateway, and back to a mesh that is whole."""
        print(f"  {time.strftime('%H:%M:%S')} {what} {number + 1}", flush=True)
        self.happened[what] += 1
        await (self._of_workers | self._of_gateways)[what](number)
        await self._mesh.whole()

    async def run(self, seconds: float) -> None:
        """All kinds after each other in random order, again and again."""
        end = time.monotonic() + seconds
        await asyncio.gather(
            self._keep_on(self.kinds[0], len(self._mesh.workers), 1.0, end),
            self._keep_on(self.kinds[1], len(self._mesh.gateways), 10.0, end),
        )

    async def _keep_on(self, kinds: list[str], count: int, rest: float, end: float) -> None:
        left: list[str] = []
        while time.monotonic() < end:
            if not left:
                left = self._rng.sample(kinds, len(kinds))
            await self.cause(left.pop(), self._rng.randrange(count))
            await asyncio.sleep(rest * self._rng.uniform(0.5, 1.5))

    async def _again(self, node: Node) -> None:
        await asyncio.sleep(self._rng.uniform(0.0, 2.0))
        await node.start()

    async def _kill_worker(self, number: int) -> None:
        node = self._mesh.workers[number]
        await node.kill()
        await self._again(node)

    async def _kill_engine(self, number: int) -> None:
        """Its worker lives, and starts another."""
        engines = self._mesh.workers[number].processes()[1:]
        for engine in engines:
            engine.send_signal(signal.SIGKILL)
        await asyncio.sleep(1.0)

    async def _stop(self, number: int) -> None:
        """As a host that is swapping, or a machine that is moved."""
        node = self._mesh.workers[number]
        node.signal(signal.SIGSTOP)
        await asyncio.sleep(self._rng.uniform(2.0, 14.0))
        node.signal(signal.SIGCONT)

    async def _cut(self, number: int) -> None:
        await self._mesh.network.cut(number)
        await asyncio.sleep(self._rng.uniform(2.0, 14.0))
        await self._mesh.network.mend(number)

    async def _reset(self, number: int) -> None:
        await self._mesh.network.reset(number)
        await asyncio.sleep(1.0)

    async def _drain(self, number: int) -> None:
        await self._end(self._mesh.workers[number])
        await self._again(self._mesh.workers[number])

    async def _full_disk(self, number: int) -> None:
        await self._fill(self._mesh.workers[number])

    async def _gateway_full_disk(self, number: int) -> None:
        await self._fill(self._mesh.gateways[number])

    async def _kill_gateway(self, number: int) -> None:
        node = self._mesh.gateways[number]
        await node.kill()
        await self._again(node)
        await self._mesh.ready(number)
        node.is_back()

    async def _restart_gateway(self, number: int) -> None:
        node = self._mesh.gateways[number]
        await self._end(node)
        await node.start()
        await self._mesh.ready(number)
        node.is_back()

    async def _end(self, node: Node) -> None:
        try:
            code = await node.terminate()
        except TimeoutError:
            self.bad.append(f"{node.name} did not end after SIGTERM")
            await node.kill()
        else:
            if code != 0:
                self.bad.append(f"{node.name} ended with {code} after SIGTERM")

    async def _fill(self, node: Node) -> None:
        life = len(node.lives)
        node.fill_disk(True)
        await asyncio.sleep(self._rng.uniform(3.0, 6.0))
        if not node.running or len(node.lives) != life:
            self.bad.append(f"{node.name} ended when its disk was full")
        node.fill_disk(False)


def not_lost_with_gateway(mesh: Mesh, tally: Tally) -> list[str]:
    """Requests that lost a gateway that had not gone away."""
    downs = dict(zip(mesh.urls, (node.down for node in mesh.gateways), strict=True))
    return [
        f"undocumented: connection to {outcome.detail} lost, which was there"
        for outcome in tally.lost
        if not any(
            start - _OVERLAP <= outcome.ended <= end + _OVERLAP
            for start, end in downs[outcome.detail]
        )
    ]


def growth(node: Node) -> float:
    """MiB by which any process of this name has grown since it was warm."""
    grown = [0.0]
    for life in node.lives:
        warm = life[_OF_WARM_UP:]
        if len(warm) >= _OF_WARM_UP:
            first, last = warm[: len(warm) // 2], warm[len(warm) // 2 :]
            grown.append(
                min(each.mebibytes for each in last) - max(each.mebibytes for each in first)
            )
    return max(grown)


async def sample(mesh: Mesh, interval: float) -> None:
    while True:
        for node in mesh.nodes:
            await asyncio.to_thread(node.sample)
        await asyncio.sleep(interval)


async def measure(
    args: argparse.Namespace, folder: Path, network: Network
) -> tuple[Row, list[str]]:
    """What came of it, and what must never be."""
    rng = random.Random(args.seed)
    model = folder / "model"
    await asyncio.to_thread(save_tiny_model, model)
    settings = SETTINGS + ("[gateway.failover]\nresume = true\n" if args.resume else "")
    async with mesh(
        model,
        folder,
        workers=args.workers,
        gateways=args.gateways,
        worker_options=WORKER_OPTIONS,
        settings=settings,
        network=network,
    ) as running:
        asked = await questions(running.urls[0], args.questions, args.max_tokens)
        chaos = Chaos(running, rng)
        sampling = asyncio.create_task(sample(running, args.sample_interval))
        clients = Clients(running, asked, args.clients, REQUEST_TIMEOUT + SLACK, seed=args.seed)
        await chaos.run(60.0 * args.minutes)
        # What it was like before is what it is like after.
        before = clients.tally.total
        await clients.asked(before + args.clients)
        tally = await clients.finish()
        sampling.cancel()
        bad = [*tally.bad, *chaos.bad, *not_lost_with_gateway(running, tally)]
        row: Row = {
            "network": network.kind,
            "clients": args.clients,
            "minutes": args.minutes,
            "requests": tally.total,
            **{kind.replace(" ", "_"): tally.counts[kind] for kind in KINDS},
            "unstarted_success": tally.unstarted_success,
            "reconnects": tally.reconnects,
            "longest_s": tally.longest,
            "worker_growth_mib": max(map(growth, running.workers)),
            "gateway_growth_mib": max(map(growth, running.gateways)),
            "codes": dict(tally.codes),
            "happened": dict(chaos.happened),
            "must_never_be": bad[:20],
        }
    return row, bad


KINDS = ("right", "wrong", "refused", "broken off", "gateway lost", "undocumented", "hung")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=32)
    parser.add_argument("--resume", action="store_true", help="answers that break off are resumed")
    parser.add_argument("--sample-interval", type=float, default=2.0, help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder for logs; default: one that is deleted")
    add_network_option(parser)
    add_output_options(parser)
    args = parser.parse_args()
    network = network_of(args, "benchmarks.chaos")
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        folder = args.work or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        row, bad = asyncio.run(measure(args, folder, network))
    report(args, "chaos", [row])
    for line in bad:
        print(line, file=sys.stderr)
    if bad or row["unstarted_success"] < 0.999:
        sys.exit(1)


if __name__ == "__main__":
    main()
