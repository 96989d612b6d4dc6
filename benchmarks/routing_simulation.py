"""Gateways without shared state before simulated workers: one trace, one policy."""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from benchmarks.routing_traces import BLOCK_TOKENS, Arrival
from benchmarks.routing_workers import Job, Machine, SimulatedWorker
from rostra.gateway.routing.policy import Affinity
from rostra.gateway.routing.prefix_index import PrefixIndex
from rostra.gateway.routing.reckoning import Reckoning, Traffic
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
    machine: Machine = field(default_factory=Machine)


@dataclass(slots=True, eq=False)
class Seen:
    """A worker as one gateway sees it."""

    number: int
    address: str
    reckoning: Reckoning
    queued_tokens: int = 0

    @property
    def pending_requests(self) -> int:
        return self.reckoning.pending


class Gateway:
    def __init__(
        self, number: int, mesh: Mesh, settings: RoutingSettings, policy: PolicyName, seed: int
    ) -> None:
        self.index = PrefixIndex(settings.index_keys)
        rng = random.Random(f"gateway {number} {seed}")
        self.policy = settings.build(policy, self.index, rng)
        traffic = Traffic()
        self.seen = [
            Seen(n, f"10.0.{n // 250}.{n % 250}:50051", Reckoning(traffic))
            for n in range(mesh.workers)
        ]
        self.by_affinity = policy == "prefix"

    def choose(self, arrival: Arrival) -> int:
        affinity = Affinity(arrival.keys, arrival.session)
        chosen = self.policy.choose(self.seen, affinity)
        self.policy.dispatched(chosen.address, affinity)
        chosen.reckoning.sent()
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
    gateways = [Gateway(n, mesh, settings, policy, seed) for n in range(mesh.gateways)]
    simulation = _Simulation(arrivals, mesh, gateways, warm_up, random.Random(f"simulation {seed}"))
    simulation.run()
    return simulation.measured.row()


class Kind(IntEnum):
    """Of events, in the order in which they count at equal times."""

    WORKER = 0
    REPORT = 1
    SAMPLE = 2
    ARRIVAL = 3


class _Simulation:
    def __init__(
        self,
        arrivals: Sequence[Arrival],
        mesh: Mesh,
        gateways: Sequence[Gateway],
        warm_up: float,
        rng: random.Random,
    ) -> None:
        self.measured = Measured()
        self._arrivals = arrivals
        self._mesh = mesh
        self._gateways = gateways
        self._workers = [SimulatedWorker(one.address, mesh.machine) for one in gateways[0].seen]
        self._warm_up = warm_up
        self._rng = rng
        self._end = arrivals[-1].time if arrivals else 0.0
        self._versions = [0] * mesh.workers
        """Of what each worker does next: an event that was planned before is void."""
        self._events: list[tuple[float, Kind, int, int]] = []
        for number in range(mesh.workers * mesh.gateways):
            self._plan(rng.random() * mesh.report_seconds, Kind.REPORT, number)
        self._plan(warm_up, Kind.SAMPLE)
        if arrivals:
            self._plan(arrivals[0].time, Kind.ARRIVAL)

    def run(self) -> None:
        while self._events:
            now, kind, number, version = heapq.heappop(self._events)
            match kind:
                case Kind.WORKER:
                    if version == self._versions[number]:
                        self._advance(now, number)
                case Kind.REPORT:
                    self._report(now, number)
                case Kind.SAMPLE:
                    self._sample(now)
                case Kind.ARRIVAL:
                    self._arrive(now, number)

    def _plan(self, time: float, kind: Kind, number: int = 0, version: int = 0) -> None:
        heapq.heappush(self._events, (time, kind, number, version))

    def _plan_worker(self, number: int) -> None:
        self._versions[number] += 1
        due = self._workers[number].next_event()
        if due != float("inf"):
            self._plan(due, Kind.WORKER, number, self._versions[number])

    def _advance(self, now: float, number: int) -> None:
        worker = self._workers[number]
        worker.advance(now)
        for job in worker.finish():
            self._gateways[job.gateway].seen[number].reckoning.ended()
            if job.arrival.time >= self._warm_up:
                self.measured.jobs.append(job)
        self._plan_worker(number)

    def _arrive(self, now: float, number: int) -> None:
        arrivals, at = self._arrivals, self._rng.randrange(len(self._gateways))
        chosen = self._gateways[at].choose(arrivals[number])
        self._workers[chosen].add(Job(arrivals[number], now, at), now)
        self._plan_worker(chosen)
        if number + 1 < len(arrivals):
            self._plan(arrivals[number + 1].time, Kind.ARRIVAL, number + 1)

    def _sample(self, now: float) -> None:
        loads = [worker.pending_requests for worker in self._workers]
        mean = sum(loads) / len(loads)
        self.measured.loads.append(mean)
        if mean:
            self.measured.imbalances.append(max(loads) / mean)
        if now + SAMPLE_SECONDS < self._end:
            self._plan(now + SAMPLE_SECONDS, Kind.SAMPLE)

    def _report(self, now: float, number: int) -> None:
        at, which = divmod(number, self._mesh.workers)
        worker, seen = self._workers[which], self._gateways[at].seen[which]
        seen.reckoning.report(worker.pending_requests, worker.arrived, now)
        seen.queued_tokens = worker.queued_tokens
        # Once for all gateways, with the report to the first.
        if self._mesh.kv_events and at == 0 and self._gateways[0].by_affinity:
            for key in worker.changed:
                for gateway in self._gateways:
                    if key in worker.cache:
                        gateway.index.add(seen.address, (key,))
                    else:
                        gateway.index.discard(seen.address, (key,))
            worker.changed.clear()
        if now < self._end:
            self._plan(now + self._mesh.report_seconds, Kind.REPORT, number)
