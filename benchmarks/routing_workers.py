"""A simulated worker: how long requests take, and what stays in its prefix cache.

Times are those of a fluid model: between two events the speed of everything is constant. Prompts
are computed one after the other, less what is cached; all requests whose prompt is done decode at
the same speed, which falls as they become more, and falls further while a prompt is computed
beside them.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.routing_traces import BLOCK_TOKENS, Arrival


@dataclass(frozen=True)
class Machine:
    """About a model of 8 billion parameters on one GPU with 80 GB."""

    prefill_tokens_per_second: float = 8000.0
    step_seconds: float = 0.012
    """Of a decode step of one request."""
    step_seconds_per_request: float = 0.00025
    """More for each further one."""
    decode_beside_prefill: float = 0.5
    """Of its speed otherwise."""
    max_running: int = 64
    cache_blocks: int = 4000
    """Of the prefix cache: 256,000 tokens."""


@dataclass(slots=True, eq=False)
class Job:
    arrival: Arrival
    dispatched: float
    gateway: int
    cached_blocks: int = 0
    first_token: float = 0.0
    prefill_left: float = 0.0


@dataclass(eq=False)
class SimulatedWorker:
    address: str
    machine: Machine
    waiting: deque[Job] = field(default_factory=deque)
    prefilling: Job | None = None
    arrived: int = 0
    """Requests since its start."""
    changed: set[int] = field(default_factory=set)
    """Keys that entered or left the cache since somebody asked."""

    def __post_init__(self) -> None:
        self.cache: OrderedDict[int, None] = OrderedDict()
        self._decoding: list[tuple[float, int, Job]] = []
        """By the number of tokens each request would have decoded at the end, counted as `_decoded`
        is."""
        self._decoded = 0.0
        """Tokens that a request would have if it had decoded since the beginning."""
        self._now = 0.0
        self._count = 0

    @property
    def pending_requests(self) -> int:
        return len(self.waiting) + len(self._decoding) + (self.prefilling is not None)

    @property
    def queued_tokens(self) -> int:
        waiting = sum(job.arrival.prompt_tokens for job in self.waiting)
        return waiting + round(self.prefilling.prefill_left if self.prefilling else 0.0)

    def add(self, job: Job, now: float) -> None:
        self.advance(now)
        self.arrived += 1
        self.waiting.append(job)
        self._start_next()

    def next_event(self) -> float:
        """When a prompt is done or a request has ended; infinity where nothing runs."""
        soonest = float("inf")
        if self.prefilling is not None:
            soonest = self.prefilling.prefill_left / self.machine.prefill_tokens_per_second
        if self._decoding:
            left = max(0.0, self._decoding[0][0] - self._decoded)
            soonest = min(soonest, left / self._decode_speed())
        return self._now + soonest

    def advance(self, now: float) -> None:
        """To a time not after the next event."""
        passed, self._now = now - self._now, now
        if passed <= 0:
            return
        if self._decoding:
            self._decoded += passed * self._decode_speed()
        if self.prefilling is not None:
            self.prefilling.prefill_left -= passed * self.machine.prefill_tokens_per_second

    def finish(self) -> Iterator[Job]:
        """Takes in the event that is due now; requests that have ended."""
        job = self.prefilling
        if job is not None and job.prefill_left <= 1e-6:
            self.prefilling = None
            job.first_token = self._now
            self._count += 1
            end = self._decoded + job.arrival.output_tokens
            heapq.heappush(self._decoding, (end, self._count, job))
        while self._decoding and self._decoding[0][0] <= self._decoded + 1e-6:
            job = heapq.heappop(self._decoding)[2]
            self._store(job.arrival.keys + job.arrival.answer)
            yield job
        self._start_next()

    def _decode_speed(self) -> float:
        """Tokens a second of each request."""
        machine = self.machine
        step = machine.step_seconds + machine.step_seconds_per_request * len(self._decoding)
        return (machine.decode_beside_prefill if self.prefilling else 1.0) / step

    def _start_next(self) -> None:
        if self.prefilling is not None or not self.waiting:
            return
        if len(self._decoding) >= self.machine.max_running:
            return
        self.prefilling = job = self.waiting.popleft()
        # The last token has to be computed in any case, and with it its block.
        keys = job.arrival.keys
        while job.cached_blocks < len(keys) - 1 and keys[job.cached_blocks] in self.cache:
            job.cached_blocks += 1
        job.prefill_left = float(BLOCK_TOKENS * (len(keys) - job.cached_blocks))
        self._store(keys)

    def _store(self, keys: tuple[int, ...]) -> None:
        cache = self.cache
        for key in reversed(keys):
            if key not in cache:
                self.changed.add(key)
            cache[key] = None
            cache.move_to_end(key)
        while len(cache) > self.machine.cache_blocks:
            self.changed.add(cache.popitem(last=False)[0])
