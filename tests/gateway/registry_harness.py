"""Scripted workers that join gateways by the worker's own code, and gateways for them to join."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, gateway_before

from rostra.gateway.fleet import Fleet
from rostra.gateway.keys import FLEET, REGISTRY
from rostra.gateway.tls import CallerTls, ListenerTls, explain
from rostra.mesh.worker.join_target import JoinConfig, JoinTarget
from rostra.mesh.worker.joining import Joining
from rostra.v1 import control_pb2

HEARTBEAT = 1.0
CHAT = "/v1/chat/completions"
HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}


class JoiningWorker(ScriptedWorker):
    """Says of itself what it serves, unless a test sets what it claims."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.info = control_pb2.GetServerInfoResponse(
            instance_id=uuid.uuid4().hex,
            version="1.2.3",
            device="cpu",
            contract_revision=control_pb2.CONTRACT_REVISION_1,
        )
        self.claimed: list[control_pb2.ModelInfo] | None = None
        self.joining: Joining | None = None
        self.tls: ListenerTls | None = None
        """Set before `start`: how it listens."""

    def listen(self, server: grpc.aio.Server, where: str) -> int:
        if self.tls is None:
            return super().listen(server, where)
        return server.add_secure_port(where, self.tls.credentials())

    async def GetServerInfo(self, request: Any, context: Any) -> Any:
        return self.info

    def says(self) -> Said:
        return Said(self)

    def join(
        self, *gateways: str, tls: bool = False, caller: CallerTls | None = None, **config: Any
    ) -> Joining:
        """`tls`: what it says of its own server; `caller`: how it calls gateways with TLS."""
        targets = tuple(JoinTarget.parse(gateway) for gateway in gateways)
        settings = JoinConfig(
            gateways=targets,
            tls=caller,
            explain=lambda details, address: explain(details, address, caller),
            **config,
        )
        self.joining = Joining(settings, self.says(), self.address, tls=tls)
        self.joining.start()
        return self.joining

    async def stop(self) -> None:
        await self.vanish()
        await super().stop()

    async def vanish(self) -> None:
        """Ends the streams to gateways as abruptly as a process that is killed."""
        if self.joining is not None:
            tasks, self.joining._tasks = self.joining._tasks, []
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Said:
    def __init__(self, worker: JoiningWorker) -> None:
        self._worker = worker

    def server_info(self) -> control_pb2.GetServerInfoResponse:
        return self._worker.info

    def models(self) -> Sequence[control_pb2.ModelInfo]:
        claimed = self._worker.claimed
        return [self._worker.model, *self._worker.adapters] if claimed is None else claimed

    def load(self) -> control_pb2.GetLoadResponse:
        return self._worker.load


@asynccontextmanager
async def gateway_to_join(
    workers: Iterable[str] = (), *, registry: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[TestClient]:
    table = {"listen": "127.0.0.1:0", "heartbeat_interval": HEARTBEAT, **(registry or {})}
    async with gateway_before(workers, ready=False, registry=table, **settings) as client:
        yield client


def where(client: TestClient, scheme: str = "grpc") -> str:
    """The URL by which workers join."""
    assert client.app is not None
    registry = client.app[REGISTRY]
    assert registry is not None
    return f"{scheme}://{registry.address}"


def fleet_of(client: TestClient) -> Fleet:
    assert client.app is not None
    return client.app[FLEET]


def serving(client: TestClient) -> set[str]:
    return {link.address for link in fleet_of(client) if link.serving}


async def members(client: TestClient) -> dict[str, dict[str, Any]]:
    """What /mesh/members says, by address."""
    answer = await (await client.get("/mesh/members")).json()
    return {member["address"]: member for member in answer["members"]}
