"""Which gateways a worker joins, and by what address they reach it."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

import grpc

from rostra.mesh.errors import RostraError
from rostra.mesh.supervisor.ports import is_loopback, join_address, split_address

PLAIN, SECURE = "grpc", "grpcs"


@dataclass(frozen=True)
class JoinTarget:
    """The registry of one gateway."""

    host: str
    port: int
    secure: bool
    """Whether with TLS."""

    @classmethod
    def parse(cls, url: str) -> JoinTarget:
        """Raises RostraError for what is no grpc://host:port."""
        wrong = RostraError(
            f"--join {url!r} is no registry of a gateway: write grpc://host:port, or "
            "grpcs://host:port for one with TLS"
        )
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise wrong from None
        rest = parts.path.strip("/") or parts.query or parts.fragment or parts.username
        if parts.scheme not in (PLAIN, SECURE) or not host or not port or rest:
            raise wrong
        return cls(host, port, parts.scheme == SECURE)

    @property
    def address(self) -> str:
        return join_address(self.host, self.port)

    def __str__(self) -> str:
        return f"{SECURE if self.secure else PLAIN}://{self.address}"


class Tls(Protocol):
    """How gateways are called with TLS."""

    def credentials(self) -> grpc.ChannelCredentials:
        """As the files are now. Raises RostraError where they cannot be read."""
        ...


def _as_it_is(details: str, address: str) -> str:
    return details


@dataclass(frozen=True)
class JoinConfig:
    """Which gateways, and what is told to them."""

    gateways: tuple[JoinTarget, ...] = ()
    advertise: str | None = None
    """host, or host:port, at which gateways reach the worker. None: where it listens."""
    token: Callable[[], str] = lambda: ""
    """The token to join by, as it is now; empty: none. Raises RostraError where it cannot be read.
    """
    tls: Tls | None = None
    """For gateways with TLS."""
    explain: Callable[[str, str], str] = _as_it_is
    """What gRPC says of a connection to an address that could not be made, in words."""

    def check(self, listen: str) -> None:
        """Raises RostraError where no gateway could reach a worker that listens there."""
        if not self.gateways:
            return
        if len(set(self.gateways)) != len(self.gateways):
            raise RostraError("--join names the same gateway twice")
        if self.advertise is not None:
            _advertised(self.advertise, 1)
            return
        host, _ = split_address(listen)
        if not is_loopback(host):
            return
        for gateway in self.gateways:
            if not _is_here(gateway.host):
                raise RostraError(
                    f"the worker listens on {listen}, which the gateway at {gateway} cannot reach: "
                    "choose another address with --listen (0.0.0.0:PORT is all of this host's), or "
                    "say with --advertise by which one it is reached"
                )

    async def address_for(self, gateway: JoinTarget, listening: str) -> str:
        """By which this gateway reaches a worker that listens on host:port `listening`.

        Raises OSError where there is no way from here to the gateway.
        """
        host, port = split_address(listening)
        if self.advertise is not None:
            return _advertised(self.advertise, port)
        if not _is_wildcard(host):
            return join_address(host, port)
        return join_address(await _own_address(gateway), port)


def _advertised(given: str, port: int) -> str:
    """host:port; a host alone has the port that the worker listens on. Raises RostraError."""
    host, colon, rest = given.rpartition(":")
    if not colon or given.endswith("]") or ("]" not in given and given.count(":") > 1):
        host, rest = given, str(port)
    host = host.strip("[]")
    if not host or "/" in host or not rest.isdecimal() or not 1 <= int(rest) <= 65535:
        raise RostraError(f"--advertise {given!r} is no address: write host, or host:port")
    if _is_wildcard(host):
        raise RostraError(f"--advertise {given!r} is no address that can be reached")
    return join_address(host, int(rest))


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _is_here(host: str) -> bool:
    """Whether it is this host. A name that nobody knows is not."""
    try:
        records = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except OSError:
        return False
    return all(_can_bind(family, address) for family, _, _, _, address in records)


def _can_bind(family: int, address: tuple[object, ...]) -> bool:
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(address)
        except OSError:
            return False
        return True


async def _own_address(gateway: JoinTarget) -> str:
    """That of this host from which packets to the gateway go out. None is sent."""
    loop = asyncio.get_running_loop()
    records = await loop.getaddrinfo(gateway.host, gateway.port, type=socket.SOCK_DGRAM)
    family, _, _, _, address = records[0]
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(address)
        return str(probe.getsockname()[0])
