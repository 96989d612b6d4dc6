"""Gateways without shared state before simulated workers: one trace, one policy."""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.routing_traces import BLOCK_TOKENS, Arrival
from benchmarks.routing_workers import Job, Machine, SimulatedWorker
from rostra.gateway.routing.policy import Affinity
from rostra.gateway.routing.prefix_index import PrefixIndex
from rostra.gateway.routing.settings import PolicyName, RoutingSettings

SAMPLE_SECONDS = 0.2
"""Between two looks at how the load is spread."""


@dataclass(frozen=True)
class Mesh:
    workers: int
    gateways: int
    report_seconds: float
    """Between reports of a worker's load to a gateway."""
    kv_events: bool
    """Whether workers also report what enters and leaves their caches."""
    machine: Machine = Machine()


@dataclass(slots=True, eq=False)
class Seen:
    """A worker as one gateway sees it."""

    number: int
    address: str
    pending_requests: int = 0
    """By its last report, corrected by what this gateway did since then."""
    queued_tokens: int = 0


class Gateway:
    def __init__(
        self, number: int, mesh: Mesh, settings: RoutingSettings, policy: PolicyName, seed: int
    ) -> None:
        self.index = PrefixIndex(settings.index_keys)
        rng = random.Random(f"gateway {number} {seed}")
        self.policy = settings.build(policy, self.index, rng)
        self.seen = [Seen(n, f"10.0.{n // 250}.{n % 250}:50051") for n in range(mesh.workers)]
        self.by_affinity = policy == "prefix"

    def choose(self, arrival: Arrival) -> int:
        affinity = Affinity(arrival.keys, arrival.session)
        chosen = self.policy.choose(self.seen, affinity)
        self.policy.dispatched(chosen.address, affinity)
        chosen.pending_requests += 1
        return chosen.number


@dataclass
class Measured:
    jobs: list[Job] = field(default_factory=list)
    imbalances: list[float] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)

    def row(self) -> dict[str, float]:
        hit = sum(job.cached_blocks for job in self.jobs)
        asked = sum(len(job.arrival.keys) for job in self.jobs)
        waits = [1000 * (job.first_token - job.arrival.time) for job in self.jobs]
        return {
            "requests": len(self.jobs),
            "mean_load": float(np.mean(self.loads)),
            "hit_rate": hit / asked,
            "first_token_p50_ms": float(np.quantile(waits, 0.5)),
            "first_token_p99_ms": float(np.quantile(waits, 0.99)),
            "imbalance_p50": float(np.quantile(self.imbalances, 0.5)),
            "imbalance_p99": float(np.quantile(self.imbalances, 0.99)),
            "computed_tokens": float(BLOCK_TOKENS * (asked - hit)),
        }


def simulate(
    arrivals: Sequence[Arrival],
    mesh: Mesh,
    settings: RoutingSettings,
    policy: PolicyName,
    *,
    warm_up: float,
    seed: int,
) -> dict[str, float]:
    """What requests after `warm_up` seconds met. Each goes to a random gateway, also those of one
    conversation: as behind a load balancer that knows nothing of them."""
    rng = random.Random(f"simulation {seed}")
    gateways = [Gateway(n, mesh, settings, policy, seed) for n in range(mesh.gateways)]
    workers = [SimulatedWorker(seen.address, mesh.machine) for seen in gateways[0].seen]
    measured = Measured()
    versions = [0] * len(workers)
    # (time, kind, number, version): kinds in the order in which they count at equal times.
    events: list[tuple[float, int, int, int]] = []
    for number in range(mesh.workers * mesh.gateways):
        heapq.heappush(events, (rng.random() * mesh.report_seconds, 1, number, 0))
    heapq.heappush(events, (warm_up, 2, 0, 0))
    if arrivals:
        heapq.heappush(events, (arrivals[0].time, 3, 0, 0))

    def plan(number: int) -> None:
        versions[number] += 1
        due = workers[number].next_event()
        if due != float("inf"):
            heapq.heappush(events, (due, 0, number, versions[number]))

    end = arrivals[-1].time if arrivals else 0.0
    while events:
        now, kind, number, version = heapq.heappop(events)
        if kind == 0:
            if version != versions[number]:
                continue
            worker = workers[number]
            worker.advance(now)
            for job in worker.finish():
                seen = gateways[job.gateway].seen[number]
                seen.pending_requests = max(0, seen.pending_requests - 1)
                if job.arrival.time >= warm_up:
                    measured.jobs.append(job)
            plan(number)
        elif kind == 1:
            _report(gateways, workers, number, mesh)
            if now < end:
                heapq.heappush(events, (now + mesh.report_seconds, 1, number, 0))
        elif kind == 2:
            loads = [worker.pending_requests for worker in workers]
            mean = sum(loads) / len(loads)
            measured.loads.append(mean)
            if mean:
                measured.imbalances.append(max(loads) / mean)
            if now + SAMPLE_SECONDS < end:
                heapq.heappush(events, (now + SAMPLE_SECONDS, 2, 0, 0))
        else:
            at = rng.randrange(mesh.gateways)
            chosen = gateways[at].choose(arrivals[number])
            workers[chosen].add(Job(arrivals[number], now, at), now)
            plan(chosen)
            if number + 1 < len(arrivals):
                heapq.heappush(events, (arrivals[number + 1].time, 3, number + 1, 0))
    return measured.row()


def _report(
    gateways: Sequence[Gateway], workers: Sequence[SimulatedWorker], number: int, mesh: Mesh
) -> None:
    at, which = divmod(number, mesh.workers)
    worker, seen = workers[which], gateways[at].seen[which]
    seen.pending_requests = worker.pending_requests
    seen.queued_tokens = worker.queued_tokens
    # Once for all gateways, with the report to the first.
    if mesh.kv_events and at == 0 and gateways[0].by_affinity:
        for key in worker.changed:
            for gateway in gateways:
                if key in worker.cache:
                    gateway.index.add(seen.address, (key,))
                else:
                    gateway.index.discard(seen.address, (key,))
        worker.changed.clear()
