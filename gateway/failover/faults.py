"""What the end of a call says of the member that it was made to."""

from __future__ import annotations

from dataclasses import dataclass

from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

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


@dataclass(frozen=True)
class Fault:
    """What a member has done wrong."""

    text: str
    """One line."""
    lasting: bool = False
    """Whether all further calls would fail by it, too."""


class JudgedError(AioRpcError):
    """The end of a call that says more of the member than its status does."""

    def __init__(self, status: AioRpcError, fault: Fault | None) -> None:
        super().__init__(
            status.code(),
            status.initial_metadata(),
            Metadata(*status.trailing_metadata()),  # type: ignore[arg-type] # pairs, by the stubs objects
            status.details(),
            status.debug_error_string(),
        )
        self.fault = fault


def is_orderly(error: AioRpcError) -> bool:
    """Whether the worker has refused because it comes or goes: to ask another costs nothing."""
    return error.code() is StatusCode.UNAVAILABLE and StatusDetails(error).reason in _ORDERLY


def fault_of(error: AioRpcError) -> Fault | None:
    """The worker's; None for what a client has asked for, for a full queue and for a deadline,
    which are no faults."""
    if isinstance(error, JudgedError):
        return error.fault
    if error.code() not in _FAULTS or is_orderly(error):
        return None
    return Fault(f"{error.code().name}: {' '.join((error.details() or '').split())[:200]}")
