"""The gRPC server of the registry."""

from __future__ import annotations

import asyncio
import logging

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from rostra.gateway.errors import GatewayError
from rostra.gateway.membership.registry import (
    INTERVALS,
    InstanceAt,
    RegistryMembership,
    RegistryServicer,
)
from rostra.gateway.membership.settings import RegistrySettings, split_address
from rostra.gateway.membership.state import RegistryState
from rostra.gateway.membership.tokens import JoinTokens
from rostra.v1 import registry_pb2_grpc

logger = logging.getLogger(__name__)

_SERVICE = "rostra.v1.Registry"
_CLOSE_GRACE = 0.2
_SERVER_OPTIONS = (
    # Without this a second gateway could listen on the same port and get half of the workers.
    ("grpc.so_reuseport", 0),
    # Workers ping to notice a dead gateway in seconds; by default gRPC would hang up on them.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 500),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)


class Registry:
    """`start`, then `close`. What has joined is in `state`, and is a source of members."""

    def __init__(self, settings: RegistrySettings) -> None:
        """Raises GatewayError where the file of tokens is wrong."""
        self.settings = settings
        self.state = RegistryState(INTERVALS * settings.heartbeat_interval, settings.max_workers)
        self.membership = RegistryMembership(self.state)
        self.address = ""
        """host:port, once started."""
        self._tokens = None if settings.tokens is None else JoinTokens(settings.tokens)
        self._server: grpc.aio.Server | None = None
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self, instance_at: InstanceAt, *, tls: bool) -> None:
        """`instance_at` asks who answers at an address; `tls`: whether workers are called with it.

        Raises GatewayError where the address cannot be had or the certificates cannot be read.
        """
        server = grpc.aio.server(options=_SERVER_OPTIONS)
        servicer = RegistryServicer(
            self.state,
            self.settings.heartbeat_interval,
            self._tokens,
            instance_at,
            tls=tls,
        )
        registry_pb2_grpc.add_RegistryServicer_to_server(servicer, server)
        healthy = health.aio.HealthServicer()  # type: ignore[attr-defined] # not in the stubs
        health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
        for service in (health.OVERALL_HEALTH, _SERVICE):
            await healthy.set(service, health_pb2.HealthCheckResponse.SERVING)
        reflection.enable_server_reflection(
            (_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server
        )
        self.address = self._listen(server)
        await server.start()
        self._server = server
        self._sweeping = asyncio.create_task(servicer.run(), name="registry")
        self._sweeping.add_done_callback(_log_failure)
        scheme = "grpc" if self.settings.tls is None else "grpcs"
        logger.info("workers join at %s://%s", scheme, self.address)

    async def close(self) -> None:
        """Ends every stream. Idempotent."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        if self._server is not None:
            await self._server.stop(_CLOSE_GRACE)

    def _listen(self, server: grpc.aio.Server) -> str:
        where = self.settings.listen
        tls = self.settings.tls
        try:
            if tls is None:
                port = server.add_insecure_port(where)
            else:
                port = server.add_secure_port(where, tls.credentials())
        except RuntimeError:
            raise GatewayError(
                f"the registry cannot listen on {where}: end what uses it, or choose another "
                "address as listen in [gateway.registry]"
            ) from None
        split = split_address(where, least_port=0)
        assert split is not None
        host = split[0]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("the registry no longer sees who is silent", exc_info=error)
