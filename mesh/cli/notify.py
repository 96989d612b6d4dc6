"""Readiness, told to systemd."""

from __future__ import annotations

import os
import socket


def tell_ready() -> None:
    """What `Type=notify` waits for: one datagram, see sd_notify(3). Nothing without systemd."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # Linux's abstract namespace
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"READY=1", address)
