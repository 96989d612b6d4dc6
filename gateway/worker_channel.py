"""One connection to one worker."""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1 import health_pb2_grpc

from rostra.gateway.bundle import Bundle
from rostra.gateway.settings import GatewaySettings
from rostra.gateway.tls import CallerTls
from rostra.v1 import control_pb2_grpc, inference_pb2_grpc

Options = list[tuple[str, int | str]]


def channel_options(settings: GatewaySettings) -> Options:
    return [
        ("grpc.keepalive_time_ms", int(settings.keepalive_interval * 1000)),
        ("grpc.keepalive_timeout_ms", int(settings.keepalive_timeout * 1000)),
        # A ping of another kind may be under way already, and then only its own timeout counts.
        ("grpc.http2.ping_timeout_ms", int(settings.keepalive_timeout * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        # The least time an attempt to connect is given, whatever the backoff says.
        ("grpc.min_reconnect_backoff_ms", 2000),
        ("grpc.max_reconnect_backoff_ms", 1000),
        # Workers are members of the mesh: never reached through the environment's web proxy.
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        # Errors travel in trailers, with their details twice.
        ("grpc.max_metadata_size", 65536),
        # Channels of other gateways in this process must not share a dead connection's backoff.
        ("grpc.use_local_subchannel_pool", 1),
    ]


def open_channel(
    address: str, settings: GatewaySettings, tls: CallerTls | None
) -> grpc.aio.Channel:
    """Raises GatewayError where the certificates cannot be read."""
    options = channel_options(settings)
    if tls is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, tls.credentials(), options=[*options, *tls.options()])


class WorkerChannel:
    """A channel with its stubs, and the bundle of its calls."""

    def __init__(self, address: str, settings: GatewaySettings, tls: CallerTls | None) -> None:
        """Raises GatewayError where the certificates cannot be read."""
        self._tls = tls
        self._tls_state = None if tls is None else tls.state()
        self._channel = open_channel(address, settings, tls)
        self.inference = inference_pb2_grpc.InferenceStub(self._channel)
        self.control = control_pb2_grpc.ControlStub(self._channel)
        self.health = health_pb2_grpc.HealthStub(self._channel)
        self.bundle = Bundle(self.inference, settings.connect_interval)
        self._bundling: asyncio.Task[None] | None = None

    @property
    def outdated(self) -> bool:
        """Whether the files of its certificates have changed since."""
        return self._tls is not None and self._tls.state() != self._tls_state

    def begin(self, healthy: asyncio.Event) -> None:
        # By itself: calls go on while the worker is out, and so does what brings their messages.
        self._bundling = asyncio.create_task(self.bundle.run(healthy))

    async def close(self, grace: float) -> None:
        """Ends what still runs on the channel after `grace` seconds."""
        self.bundle.close()
        await self._channel.close(grace)
        if self._bundling is not None:
            self._bundling.cancel()
