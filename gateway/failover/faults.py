"""What the end of a call says of the worker that it was made to."""

from __future__ import annotations

from grpc import StatusCode
from grpc.aio import AioRpcError

from rostra.gateway.grpc_errors import StatusDetails

_FAULTS = frozenset(
    {
        StatusCode.UNAVAILABLE,
        StatusCode.INTERNAL,
        StatusCode.UNKNOWN,
        StatusCode.DATA_LOSS,
        # Callers are not known to workers: what is refused is the gateway itself.
        StatusCode.UNAUTHENTICATED,
        StatusCode.PERMISSION_DENIED,
    }
)
_ORDERLY = frozenset({"draining", "starting"})
"""Reasons for UNAVAILABLE of a worker that does as it should, and has done no work."""


def is_orderly(error: AioRpcError) -> bool:
    """Whether the worker has refused because it comes or goes: to ask another costs nothing."""
    return error.code() is StatusCode.UNAVAILABLE and StatusDetails(error).reason in _ORDERLY


def fault_of(error: AioRpcError) -> str | None:
    """One line where it is the worker's fault; None for what a client has asked for, for a full
    queue and for a deadline, which are no faults."""
    if error.code() not in _FAULTS or is_orderly(error):
        return None
    return f"{error.code().name}: {' '.join((error.details() or '').split())[:200]}"
