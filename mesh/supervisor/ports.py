"""Ports: whether one is free, and finding one that is."""

from __future__ import annotations

import ipaddress
import socket

from rostra.mesh.errors import RostraError

MAX_PORT = 65535


def split_address(address: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port` into its parts."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > MAX_PORT:
        raise RostraError(
            f"{address!r} is no address: write host:port, for instance 127.0.0.1:0, with a port of"
            f" at most {MAX_PORT}"
        )
    return host.strip("[]") or "127.0.0.1", int(port)


def join_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this host reaches what listens there. A name that does not resolve is none that
    can be listened on, and says so then."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True
    addresses = [str(each[4][0]).partition("%")[0] for each in found]
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def claim_port(host: str, port: int, purpose: str, flag: str) -> int:
    """`port` if nothing listens there, or any free one for 0.

    Raises RostraError when the port is taken or may not be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise RostraError(
                f"{purpose} cannot listen on {join_address(host, port)} ({error.strerror}):"
                f" end what uses it, or choose another with {flag}"
            ) from error
        return int(probe.getsockname()[1])
