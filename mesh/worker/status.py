"""Errors as gRPC statuses with `google.rpc` details, so that programs can tell them apart."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from rostra.mesh.engine.adapters import AdapterError, AdapterFault
from rostra.mesh.worker.engine_stream import (
    EngineFullError,
    EngineNoAdapterError,
    EngineRefusedError,
    EngineUnavailableError,
)

Context = grpc.aio.ServicerContext[Any, Any]
Servicer = TypeVar("Servicer")
Request = TypeVar("Request")
Response = TypeVar("Response")

ENGINE_ERRORS = (
    EngineUnavailableError,
    EngineFullError,
    EngineNoAdapterError,
    EngineRefusedError,
)

ERROR_DOMAIN = "rostra.dev"
QUEUE_RETRY_SECONDS = 1

# Statuses travel in trailers, which clients take 8 KiB of, and hold texts twice and in base64.
MAX_VIOLATIONS = 4
MAX_TEXT_BYTES = 160


@dataclass(frozen=True)
class Violation:
    """What is wrong with one field of a request."""

    field: str
    """Its path, for instance `sampling.top_p` or `messages[2].role`."""
    description: str
    reason: str = "invalid_value"

    def __str__(self) -> str:
        return f"{shorten(self.field)}: {shorten(self.description)}"


@dataclass(eq=False)
class RpcError(Exception):
    """Ends an RPC with a status other than OK."""

    code: grpc.StatusCode
    reason: str
    """`google.rpc.ErrorInfo.reason`."""
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: Sequence[Violation] = ()
    retry_seconds: int | None = None

    def __str__(self) -> str:
        return self.message

    def details(self) -> list[Message]:
        found: list[Message] = [
            error_details_pb2.ErrorInfo(
                reason=self.reason, domain=ERROR_DOMAIN, metadata=dict(self.metadata)
            )
        ]
        if self.violations:
            bad_request = error_details_pb2.BadRequest()
            for violation in self.violations[:MAX_VIOLATIONS]:
                bad_request.field_violations.add(
                    field=shorten(violation.field),
                    description=shorten(violation.description),
                    reason=violation.reason,
                )
            found.append(bad_request)
        if self.retry_seconds is not None:
            delay = Duration(seconds=self.retry_seconds)
            found.append(error_details_pb2.RetryInfo(retry_delay=delay))
        return found


def shorten(text: str) -> str:
    """Callers' own text inside an error, cut where it is long."""
    data = text.encode()
    if len(data) <= MAX_TEXT_BYTES:
        return text
    return data[:MAX_TEXT_BYTES].decode(errors="ignore") + "…"


def invalid_argument(violations: Sequence[Violation]) -> RpcError:
    """The reason is "unsupported_value" only when nothing is plainly wrong."""
    reasons = {violation.reason for violation in violations}
    sentences = [str(violation) for violation in violations[:MAX_VIOLATIONS]]
    if len(violations) > MAX_VIOLATIONS:
        sentences.append(f"and {len(violations) - MAX_VIOLATIONS} more")
    return RpcError(
        grpc.StatusCode.INVALID_ARGUMENT,
        "invalid_value" if "invalid_value" in reasons else "unsupported_value",
        "; ".join(sentences),
        violations=violations,
    )


def context_length_exceeded(
    field: str, message: str, *, prompt_tokens: int, max_tokens: int | None, max_model_len: int
) -> RpcError:
    """`field` is the one to make smaller; `max_tokens` is None where nothing is generated."""
    numbers = {
        "prompt_tokens": prompt_tokens,
        "max_tokens": max_tokens,
        "max_model_len": max_model_len,
    }
    return RpcError(
        grpc.StatusCode.INVALID_ARGUMENT,
        "context_length_exceeded",
        message,
        metadata={name: str(number) for name, number in numbers.items() if number is not None},
        violations=[Violation(field, message, "context_length_exceeded")],
    )


def model_not_found(model: str) -> RpcError:
    return RpcError(
        grpc.StatusCode.NOT_FOUND,
        "model_not_found",
        f"no model {shorten(model)!r} here; GetModelInfo lists those there are",
        metadata={"model": shorten(model)},
    )


def deadline_exceeded() -> RpcError:
    return RpcError(
        grpc.StatusCode.DEADLINE_EXCEEDED, "deadline_exceeded", "the deadline has passed"
    )


def unimplemented(message: str) -> RpcError:
    return RpcError(grpc.StatusCode.UNIMPLEMENTED, "unimplemented", message)


def unavailable(reason: str, message: str) -> RpcError:
    return RpcError(grpc.StatusCode.UNAVAILABLE, reason, message)


def from_engine(
    error: EngineUnavailableError | EngineFullError | EngineNoAdapterError | EngineRefusedError,
) -> RpcError:
    """The status for what `EngineClient.submit` and `EngineStream` raise."""
    if isinstance(error, EngineUnavailableError):
        return unavailable(error.reason, str(error))
    if isinstance(error, EngineFullError):
        return RpcError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "queue_full",
            str(error),
            retry_seconds=QUEUE_RETRY_SECONDS,
        )
    if isinstance(error, EngineNoAdapterError):
        return RpcError(grpc.StatusCode.NOT_FOUND, "model_not_found", str(error))
    return RpcError(grpc.StatusCode.INVALID_ARGUMENT, "invalid_value", str(error))


def from_adapters(error: AdapterError) -> RpcError:
    """The status for what `EngineAdapters` raises."""
    if error.fault is AdapterFault.INVALID:
        violation = Violation("source", str(error))
        # Whole, however long: it names a file and a tensor.
        code = grpc.StatusCode.INVALID_ARGUMENT
        return RpcError(code, violation.reason, str(error), violations=[violation])
    code, reason = {
        AdapterFault.DISABLED: (grpc.StatusCode.UNIMPLEMENTED, "unimplemented"),
        AdapterFault.EXISTS: (grpc.StatusCode.ALREADY_EXISTS, "adapter_exists"),
        AdapterFault.FULL: (grpc.StatusCode.RESOURCE_EXHAUSTED, "adapter_slots_full"),
        AdapterFault.UNKNOWN: (grpc.StatusCode.NOT_FOUND, "adapter_not_found"),
    }[error.fault]
    return RpcError(code, reason, str(error))


def status_name(error: BaseException | None) -> str:
    """The gRPC status in which a handler ends that raises `error`."""
    if isinstance(error, ENGINE_ERRORS):
        error = from_engine(error)
    if isinstance(error, RpcError):
        return error.code.name
    if isinstance(error, asyncio.CancelledError):
        return grpc.StatusCode.CANCELLED.name
    return grpc.StatusCode.OK.name if error is None else grpc.StatusCode.UNKNOWN.name


def status_reason(error: BaseException | None) -> str | None:
    """Why a handler fails that raises `error`: `google.rpc.ErrorInfo.reason`, where it has one."""
    if isinstance(error, ENGINE_ERRORS):
        error = from_engine(error)
    if isinstance(error, RpcError):
        return error.reason
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return None if error is None else "unknown"


async def abort(context: Context, error: RpcError) -> NoReturn:
    """Ends the RPC with the status of `error`."""
    proto = status_pb2.Status(code=error.code.value[0], message=error.message)
    for detail in error.details():
        proto.details.add().Pack(detail)
    status = rpc_status.to_status(proto)
    trailing = (*(context.trailing_metadata() or ()), *status.trailing_metadata)
    await context.abort(status.code, status.details, trailing)


def with_status(
    handler: Callable[[Servicer, Request, Context], Awaitable[Response]],
) -> Callable[[Servicer, Request, Context], Awaitable[Response]]:
    """Lets a handler raise RpcError, or what the engine raises, and answers with the status."""

    @functools.wraps(handler)
    async def wrapper(servicer: Servicer, request: Request, context: Context) -> Response:
        try:
            return await handler(servicer, request, context)
        except RpcError as error:
            await abort(context, error)
        except ENGINE_ERRORS as error:
            await abort(context, from_engine(error))
        except AdapterError as error:
            await abort(context, from_adapters(error))

    return wrapper
