"""All replicas of one `[[worker]]`: as many as there should be, each gone one replaced."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Coroutine, Mapping

from rostra.mesh.launch.gateway_queue import GatewayQueue
from rostra.mesh.launch.loads import LoadReader
from rostra.mesh.launch.replica import Replica
from rostra.mesh.launch.scaling import Autoscaler, Reading
from rostra.mesh.launch.spec import WorkerSpec
from rostra.mesh.supervisor.restarts import FIRST_BACKOFF, MAX_BACKOFF

INTERVAL = 1.0
"""Seconds between two looks at the load."""
SETTLE = 2.0
"""Seconds that gateways have to read that an address is gone, before its worker drains."""


class ReplicaSet:
    def __init__(
        self,
        spec: WorkerSpec,
        queue: GatewayQueue,
        on_change: Callable[[], None],
        notify: Callable[[str], None],
    ) -> None:
        """`on_change` is called when an address came or went, `notify` with what people should
        read."""
        self.spec = spec
        self._queue = queue
        self.failures = 0
        """Replicas that ended by themselves, in a row, without having served."""
        self._refused = False
        self._last_failure = ""
        self._on_change = on_change
        self._notify = notify
        self._replicas: dict[str, Replica] = {}
        self._scaler = Autoscaler(spec.replicas, spec.max_running)
        self._loads = LoadReader()
        self._following: set[asyncio.Task[None]] = set()
        self._not_before = 0.0
        self._scaling: asyncio.Task[None] | None = None

    @property
    def workers(self) -> dict[str, str]:
        """Addresses by name."""
        return {name: each.address for name, each in self._replicas.items() if each.address}

    @property
    def _staying(self) -> list[Replica]:
        return [replica for replica in self._replicas.values() if not replica.leaving]

    def start(self) -> None:
        self._scaling = asyncio.create_task(self._scale(), name=f"scale-{self.spec.name}")

    async def stop(self) -> None:
        """Drains all of them. Idempotent."""
        if self._scaling is not None:
            self._scaling.cancel()
            await asyncio.wait([self._scaling])
        await asyncio.gather(*(each.leave(settle=0) for each in self._replicas.values()))
        if self._following:
            await asyncio.wait(self._following)
        await self._loads.close()

    def kill(self) -> None:
        if self._scaling is not None:
            self._scaling.cancel()
        for replica in self._replicas.values():
            replica.kill()

    def serving(self, states: Mapping[str, str]) -> int:
        return sum(states.get(address) == "serving" for address in self.workers.values())

    def trouble(self, limit: int) -> str | None:
        """Why it is no use to wait for the first ones."""
        return self._last_failure if self._refused or self.failures >= limit else None

    async def _scale(self) -> None:
        wanted = self.spec.replicas.min
        while True:
            readings = await self._read()
            now = asyncio.get_running_loop().time()
            placed = len(self._staying)
            # Those that are to replace a failed one count: a crash is no reason to scale.
            queued = await self._queue.of(self.spec.models)
            told = [readings.get(replica.name) for replica in self._staying if replica.served]
            wanted = self._scaler.wanted(now, told, wanted, queued)
            if placed < wanted and now >= self._not_before:
                self._add(wanted - placed)
            elif placed > wanted:
                self._drop(placed - wanted, readings)
            await asyncio.sleep(INTERVAL)

    async def _read(self) -> dict[str, Reading]:
        """By name."""
        names = {each.address: each.name for each in self._staying if each.address}
        readings = await self._loads.read(names)
        for address in readings:
            if (replica := self._replicas.get(names[address])) is not None:
                replica.served = True
                self.failures = 0
        return {names[address]: reading for address, reading in readings.items()}

    def _add(self, count: int) -> None:
        free = (f"{self.spec.name}.{number}" for number in itertools.count(1))
        names = itertools.islice((name for name in free if name not in self._replicas), count)
        for name in list(names):
            replica = Replica(name, self.spec, self._on_change)
            self._replicas[name] = replica
            replica.start()
            self._follow(self._until_end(replica))

    def _drop(self, count: int, readings: Mapping[str, Reading]) -> None:
        """Those that do not serve yet, then those with the least to finish."""

        def cost(replica: Replica) -> float:
            reading = readings.get(replica.name)
            if reading is None:
                return math.inf if replica.served else -1.0
            return reading.running

        for replica in sorted(self._staying, key=cost)[:count]:
            self._notify(f"{replica.name} is not needed any more and drains")
            replica.leaving = True
            self._follow(replica.leave(SETTLE))

    async def _until_end(self, replica: Replica) -> None:
        why = await replica.ended()
        del self._replicas[replica.name]
        self._on_change()
        if not why:
            return
        backoff = 0.0
        if not replica.served:
            self.failures += 1
            self._refused |= replica.refused
            self._last_failure = f"{replica.name} does not start: {why}"
            backoff = min(FIRST_BACKOFF * 2**self.failures, MAX_BACKOFF)
        self._not_before = asyncio.get_running_loop().time() + backoff
        self._notify(f"{replica.name}: {why}; another is placed")

    def _follow(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._following.add(task)
        task.add_done_callback(self._following.discard)
