"""Errors in the envelope of Anthropic's Messages API."""

from __future__ import annotations

from typing import Any

from rostra.gateway.errors import ApiError

_PREFIX = "/v1/messages"
_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""By status. The API's own status of `overloaded_error` is 529; here it is 503, which proxies and
load balancers know, and which its clients repeat as well."""

_CODES = {"thread": "thread_unsupported_request"}
"""By the field that is refused. At this one the official clients send the conversation whole."""


def speaks_messages(path: str) -> bool:
    """Whether a request, be it to a route that exists or not, is one of the Messages API."""
    return path == _PREFIX or path.startswith(f"{_PREFIX}/")


def error_event(error: ApiError, request_id: str) -> dict[str, Any]:
    """The body of an answer, and the last event of a stream that breaks off."""
    default = "invalid_request_error" if error.status < 500 else "api_error"
    message = error.message
    # The envelope has no other place for the field that is wrong.
    if error.param and error.param not in message:
        message = f"{error.param}: {message}"
    told: dict[str, Any] = {"type": _KINDS.get(error.status, default), "message": message}
    if error.code:
        told["details"] = {"error_code": _CODES.get(error.param or "", error.code)}
    return {"type": "error", "error": told, "request_id": request_id}
