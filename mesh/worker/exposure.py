"""Who can reach a worker."""

from __future__ import annotations

from rostra.mesh.errors import RostraError
from rostra.mesh.supervisor.ports import is_loopback, split_address


def check_exposure(listen: str, *, guarded: bool, insecure_public: bool) -> None:
    """Raises RostraError where everybody on the network could call, and nobody said they may.

    `listen` is host:port; `guarded`: callers have to prove themselves, by a certificate.
    """
    host, _ = split_address(listen)
    if guarded or insecure_public or is_loopback(host):
        return
    raise RostraError(
        f"{listen} can be reached from other hosts, and a worker has no keys: everybody there may "
        "call, load adapters and drain it. Listen on 127.0.0.1, or allow everybody with "
        "--insecure-public where nobody but the gateways is on that network"
    )
