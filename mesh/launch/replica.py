"""One replica on Ray: a placement group, a rank in each of its bundles, one address."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from rostra.mesh.launch.rank import Ended, Rank
from rostra.mesh.launch.spec import WorkerSpec
from rostra.mesh.launch.torchrun import environments
from rostra.mesh.supervisor.ports import join_address

END_TIMEOUT = 5.0
"""Seconds for a node to end processes; one that does not answer is gone with them."""
REFUSED = 2
"""Exit code of a command that was asked what cannot be."""
LAST_WORDS = 10.0
"""Seconds that a worker may take to end beyond its grace."""


class Replica:
    """Lives once: placed, started, ended. It is never started again; another may replace it.

    It is all of its ranks or nothing: when one ends, the others are ended.
    """

    def __init__(self, name: str, spec: WorkerSpec, on_change: Callable[[], None]) -> None:
        """`on_change` is called when the address has changed."""
        self.name = name
        self.spec = spec
        self.address: str | None = None
        """host:port, from when its processes are started until it leaves or ends."""
        self.node = ""
        """Ray's id of the node where rank 0 is."""
        self.served = False
        """Whether it ever did."""
        self.refused = False
        """Whether its worker ended because somebody has to change something."""
        self.leaving = False
        self._on_change = on_change
        self._task: asyncio.Task[str] | None = None
        self._draining = False

    def start(self) -> None:
        """Asks Ray for places; waits for them as long as it takes."""
        self._task = asyncio.create_task(self._run(), name=f"replica-{self.name}")

    async def ended(self) -> str:
        """Why it did. Empty if it was told to."""
        assert self._task is not None
        await asyncio.wait([self._task])
        return "" if self._task.cancelled() or self.leaving else self._task.result()

    async def leave(self, settle: float) -> None:
        """Drains it; returns when nothing of it is left. `settle`: seconds for gateways to have
        read that its address is gone."""
        assert self._task is not None
        self.leaving = True
        if self._draining:
            await asyncio.wait([self._task])
        elif self.address is None:
            self.kill()
        else:
            self._draining = True
            await self._drain(self._task, settle)
        await asyncio.wait([self._task])

    def kill(self) -> None:
        """Ends it now, whatever runs."""
        self.leaving = True
        if self._task is not None:
            self._task.cancel()

    async def _drain(self, task: asyncio.Task[str], settle: float) -> None:
        self._move(None)
        await asyncio.sleep(settle)
        # Rank 0 ends the others when it has finished; they ignore the signal.
        with contextlib.suppress(Exception):
            await answer(self._actors[0].drain.remote())
        done, _ = await asyncio.wait([task], timeout=self.spec.drain_grace + LAST_WORDS)
        if not done:
            self.kill()

    async def _run(self) -> str:
        import ray
        from ray.exceptions import RayError, RayTaskError
        from ray.util.placement_group import placement_group, remove_placement_group

        strategy = self.spec.replicas.strategy
        group = placement_group([self.spec.bundle()] * self.spec.ranks, strategy=strategy)
        self._actors = [self._actor(group, index) for index in range(self.spec.ranks)]
        try:
            await self._begin()
            return await self._first_end()
        except RayTaskError as error:
            return f"Ray's actor failed: {error.cause}"
        except RayError as error:
            return f"its node or its actor is gone ({type(error).__name__})"
        finally:
            self._move(None)
            try:
                await self._end_processes()
            finally:
                for actor in self._actors:
                    ray.kill(actor)
                remove_placement_group(group)

    def _actor(self, group: Any, index: int) -> Any:
        import ray
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        resources = self.spec.bundle()
        options = {
            "num_cpus": resources.pop("CPU", 0),
            "num_gpus": resources.pop("GPU", 0),
            "resources": resources,
            "max_restarts": 0,
            "scheduling_strategy": PlacementGroupSchedulingStrategy(group, index),
        }
        return ray.remote(Rank).options(**options).remote()

    async def _begin(self) -> None:
        places = await asyncio.gather(*(answer(actor.place.remote()) for actor in self._actors))
        self.node = places[0].node
        address = join_address(places[0].host, places[0].ports[0])
        starting = []
        for rank, environment in enumerate(environments(places)):
            name = self.name if len(places) == 1 else f"{self.name}-rank-{rank}"
            actor = self._actors[rank]
            whole = self.spec.environment | environment
            starting.append(actor.start.remote(name, self.spec.table, address, whole))
        await asyncio.gather(*map(answer, starting))
        self._move(address)

    async def _first_end(self) -> str:
        ends = [asyncio.ensure_future(answer(actor.ended.remote())) for actor in self._actors]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            ended: Ended = next(end for end in ends if end.done()).result()
        finally:
            for end in ends:
                end.cancel()
        self.refused = ended.code == REFUSED
        why = ended.last_line.removeprefix("error: ") or f"it ended with {ended.code}"
        return f"{why} (log: {ended.log} on node {self.node[:8]})"

    async def _end_processes(self) -> None:
        killing = [answer(actor.kill.remote()) for actor in self._actors if self.node]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_TIMEOUT):
                await asyncio.gather(*killing, return_exceptions=True)

    def _move(self, address: str | None) -> None:
        if address != self.address:
            self.address = address
            self._on_change()


async def answer(reference: Any) -> Any:
    """What a method of an actor returned. Raises RayError when the actor is gone."""
    return await asyncio.wrap_future(reference.future())
