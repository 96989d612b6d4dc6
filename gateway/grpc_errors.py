"""From the statuses of rostra.v1 to answers of the OpenAI API."""

from __future__ import annotations

from google.rpc import error_details_pb2
from grpc import StatusCode
from grpc.aio import AioRpcError
from grpc_status import rpc_status

from rostra.gateway.errors import (
    ApiError,
    all_busy,
    deadline_exceeded,
    model_not_found,
    request_aborted,
    unavailable,
    worker_fault,
)
from rostra.gateway.rest_names import RestNames

RETRY_ELSEWHERE = frozenset(
    {
        StatusCode.UNAVAILABLE,
        StatusCode.RESOURCE_EXHAUSTED,
        # As a status it is the worker's: so end calls that reach a server in the moment it stops.
        StatusCode.CANCELLED,
    }
)
"""A second worker may answer where the first could not; every other status would repeat itself."""

CLIENT_MISTAKES = frozenset(
    {
        StatusCode.INVALID_ARGUMENT,
        StatusCode.NOT_FOUND,
        StatusCode.ALREADY_EXISTS,
        StatusCode.UNIMPLEMENTED,
    }
)


class StatusDetails:
    """The google.rpc details of a status, empty where the worker sent none."""

    def __init__(self, error: AioRpcError) -> None:
        self.reason = ""
        self.metadata: dict[str, str] = {}
        self.field: str | None = None
        self.violation = ""
        self.retry_delay: float | None = None
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
        for detail in status.details if status else ():
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                info = error_details_pb2.ErrorInfo()
                detail.Unpack(info)
                self.reason, self.metadata = info.reason, dict(info.metadata)
            elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                bad = error_details_pb2.BadRequest()
                detail.Unpack(bad)
                if bad.field_violations:
                    self.field = bad.field_violations[0].field
                    self.violation = bad.field_violations[0].description
            elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                retry = error_details_pb2.RetryInfo()
                detail.Unpack(retry)
                self.retry_delay = retry.retry_delay.ToNanoseconds() / 1e9


def api_error(error: AioRpcError, *, model: str, names: RestNames) -> ApiError:
    """What the client is told, by the names of its endpoint."""
    details = StatusDetails(error)
    match error.code():
        case StatusCode.INVALID_ARGUMENT if details.reason == "context_length_exceeded":
            answer = _context_length_exceeded(error, details, names)
        case StatusCode.INVALID_ARGUMENT:
            param = names.of(details.field) if details.field else None
            message = error.details() or "The worker refused the request"
            if param and details.violation:
                # Violations have no subject of their own: "must be in [0, 2], got 3".
                message = f"{param}: {details.violation}"
            answer = ApiError(
                400, message, param=param, code=details.reason.lower() or "invalid_value"
            )
        case StatusCode.NOT_FOUND:
            answer = model_not_found(model)
        case StatusCode.UNIMPLEMENTED:
            answer = ApiError(
                400,
                error.details() or f"The model '{model}' cannot do that",
                code="unsupported_operation",
            )
        case StatusCode.ABORTED:
            answer = request_aborted()
        case StatusCode.ALREADY_EXISTS:
            answer = ApiError(409, "A request of this id is running", code="already_exists")
        case StatusCode.RESOURCE_EXHAUSTED:
            answer = all_busy(details.retry_delay or 1.0)
        case StatusCode.DEADLINE_EXCEEDED:
            answer = deadline_exceeded()
        case StatusCode.UNAVAILABLE | StatusCode.CANCELLED:
            answer = unavailable(
                "The worker was lost before the answer was complete", details.retry_delay or 1.0
            )
        case code:
            answer = worker_fault(f"The worker failed with the status {code.name}")
    return answer


def _context_length_exceeded(
    error: AioRpcError, details: StatusDetails, names: RestNames
) -> ApiError:
    numbers = details.metadata
    # Of several inputs, the worker says which.
    blamed = names.of(details.field or "")
    param = blamed if names.is_prompt(blamed) else names.prompt
    if "max_model_len" not in numbers or "prompt_tokens" not in numbers:
        message = error.details() or "The request is longer than the model's context"
    else:
        message = (
            f"This model's maximum context length is {numbers['max_model_len']} tokens; "
            f"the request has {numbers['prompt_tokens']} in the {param}"
        )
        if numbers.get("max_tokens"):
            message += f" and asks for {numbers['max_tokens']} more"
    return ApiError(400, message, param=param, code="context_length_exceeded")
