"""What workers say of their load."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rostra.mesh.launch.scaling import Reading
from rostra.v1 import control_pb2, control_pb2_grpc

TIMEOUT = 2.0
"""Seconds for one answer."""
INFERENCE = health_pb2.HealthCheckRequest(service="rostra.v1.Inference")


class LoadReader:
    """Keeps a channel to each worker that it was asked about last."""

    def __init__(self) -> None:
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def read(self, addresses: Collection[str]) -> dict[str, Reading]:
        """By address, of those that serve and say so."""
        for address in self._channels.keys() - set(addresses):
            await self._channels.pop(address).close(None)
        readings = await asyncio.gather(*map(self._ask, addresses))
        return {
            address: reading
            for address, reading in zip(addresses, readings, strict=True)
            if reading is not None
        }

    async def close(self) -> None:
        await self.read(())

    async def _ask(self, address: str) -> Reading | None:
        if address not in self._channels:
            options = [("grpc.enable_http_proxy", 0), ("grpc.max_reconnect_backoff_ms", 1000)]
            self._channels[address] = grpc.aio.insecure_channel(address, options=options)
        channel = self._channels[address]
        control = control_pb2_grpc.ControlStub(channel)
        try:
            # A worker tells its load also while it loads weights, and while it drains.
            status = await health_pb2_grpc.HealthStub(channel).Check(INFERENCE, timeout=TIMEOUT)
            load = await control.GetLoad(control_pb2.GetLoadRequest(), timeout=TIMEOUT)
        except grpc.aio.AioRpcError:
            return None
        if status.status != health_pb2.HealthCheckResponse.SERVING:
            return None
        return Reading(load.running_requests, load.waiting_requests)
