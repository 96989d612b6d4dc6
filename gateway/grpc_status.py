"""Statuses with google.rpc details, where the gateway itself stands for what sends them."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata
from grpc_status import rpc_status

_DOMAIN = "rostra.dev"


def status_error(
    code: StatusCode,
    message: str,
    *,
    reason: str = "",
    field: str = "",
    retry_after: float | None = None,
    metadata: Mapping[str, str] | None = None,
) -> AioRpcError:
    """As a worker's, by the rules of rostra.v1. `field` is the one that is wrong, for the reason
    that `message` gives; `retry_after` is in seconds."""
    details: list[Message] = []
    if reason:
        details.append(
            error_details_pb2.ErrorInfo(reason=reason, domain=_DOMAIN, metadata=metadata)
        )
    if field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(retry_after * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    status = rpc_status.to_status(
        status_pb2.Status(code=code.value[0], message=message, details=packed)
    )
    return AioRpcError(code, Metadata(), Metadata(*status.trailing_metadata), message, "")


def unsupported(field: str, why: str) -> AioRpcError:
    """What a field asks for is not to be had here."""
    return status_error(StatusCode.INVALID_ARGUMENT, why, reason="unsupported_value", field=field)
