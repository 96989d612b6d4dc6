"""Errors of the gateway: those an operator mends, and those a client is answered with."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime


class GatewayError(Exception):
    """Something the operator can mend. One line: what is wrong, where, what to do."""


class ApiError(Exception):
    """An answer other than success, in the envelope of the OpenAI API.

    `retry_after` is in seconds and becomes the header `Retry-After`; `challenge` becomes
    `WWW-Authenticate`.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        challenge: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        # One line, whatever a name that a client made up holds.
        self.message = " ".join(message.splitlines())
        self.kind = kind
        self.param = param
        self.code = code
        self.retry_after = retry_after
        self.challenge = challenge

    def envelope(self) -> dict[str, dict[str, str | None]]:
        return {
            "error": {
                "message": self.message,
                "type": self.kind,
                "param": self.param,
                "code": self.code,
            }
        }

    def headers(self) -> dict[str, str]:
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after)))
        if self.challenge is not None:
            headers["WWW-Authenticate"] = self.challenge
        return headers


def invalid_api_key(message: str) -> ApiError:
    return ApiError(401, message, code="invalid_api_key", challenge="Bearer")


def api_key_expired(moment: datetime) -> ApiError:
    return ApiError(
        401,
        f"This API key expired at {moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}; ask the operator "
        "for another",
        code="api_key_expired",
        challenge="Bearer",
    )


def api_key_disabled() -> ApiError:
    return ApiError(
        401,
        "This API key is disabled; ask the operator",
        code="api_key_disabled",
        challenge="Bearer",
    )


def scope_not_allowed(scope: str, scopes: Iterable[str]) -> ApiError:
    return ApiError(
        403,
        f"This API key is not for {scope}; it is for {', '.join(scopes)}",
        code="scope_not_allowed",
    )


def model_not_allowed(model: str) -> ApiError:
    return ApiError(
        403,
        f"This API key may not use the model '{model}'; GET /v1/models lists those it may",
        param="model",
        code="model_not_allowed",
    )


def priority_not_allowed(priority: int, best: int) -> ApiError:
    return ApiError(
        403,
        f"This API key may not ask for priority {priority}; the lowest that it may is {best}",
        param="priority",
        code="priority_not_allowed",
    )


def model_not_found(model: str) -> ApiError:
    return ApiError(
        404,
        f"The model '{model}' does not exist here; GET /v1/models lists those that do",
        param="model",
        code="model_not_found",
    )


def unavailable(message: str, retry_after: float = 1.0) -> ApiError:
    return ApiError(
        503,
        message,
        kind="service_unavailable_error",
        code="no_worker_available",
        retry_after=retry_after,
    )


def all_busy(retry_after: float) -> ApiError:
    return ApiError(
        429,
        "Every worker of this model has a full queue; come back later",
        kind="rate_limit_error",
        code="queue_full",
        retry_after=retry_after,
    )


def worker_fault(message: str) -> ApiError:
    """The worker broke the contract or failed for a reason that is not the client's."""
    return ApiError(502, message, kind="server_error", code="worker_error")


def request_aborted() -> ApiError:
    # Not a status that clients repeat by themselves: that would undo the operator's will.
    return ApiError(
        410,
        "The request was ended by an operator",
        kind="server_error",
        code="request_aborted",
    )


def deadline_exceeded() -> ApiError:
    return ApiError(
        504,
        "The request did not finish within the time that it, or this gateway, allows",
        kind="timeout_error",
        code="deadline_exceeded",
    )


def shutting_down() -> ApiError:
    return ApiError(
        503,
        "The gateway is shutting down",
        kind="service_unavailable_error",
        code="shutting_down",
        retry_after=1.0,
    )


def internal_error() -> ApiError:
    return ApiError(
        500,
        "The gateway failed; its log has the details under this request's x-request-id",
        kind="server_error",
        code="internal_error",
    )
