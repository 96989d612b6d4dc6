"""From what a member answers instead of success to statuses of rostra.v1.

Nothing that a client may read holds the member's address or its key, nor what a server says of the
gateway's account there.
"""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson
from grpc import StatusCode
from grpc.aio import AioRpcError
from pydantic import ValidationError

from rostra.gateway.failover.faults import Fault
from rostra.gateway.grpc_status import status_error
from rostra.gateway.members.payloads import ErrorPayload
from rostra.v1 import sampling_pb2

_LONGEST_MESSAGE = 500
_LONGEST_WAIT = 3600.0
_SAMPLED = frozenset(sampling_pb2.SamplingParams.DESCRIPTOR.fields_by_name)
_RENAMED = {
    "max_completion_tokens": "max_tokens",
    "top_logprobs": "logprobs",
    "response_format": "structured_output",
    "structured_outputs": "structured_output",
    "reasoning_effort": "template_variables[reasoning_effort]",
    "chat_template_kwargs": "template_variables",
}


@dataclass(frozen=True)
class Failure:
    """Why a request was not answered."""

    error: AioRpcError
    fault: Fault | None = None
    """What it says of the member, where it is the member's fault: for the log and for operators."""
    hold: float = 0.0
    """Seconds for which it is to be left alone."""


def unavailable(fault: str, *, lasting: bool = False) -> Failure:
    """Nobody's mistake but the member's; another may answer."""
    message = "the server behind this model could not answer"
    return Failure(status_error(StatusCode.UNAVAILABLE, message), Fault(fault, lasting))


def broken(fault: str) -> Failure:
    """An answer that is none. Another of the same kind would be no better."""
    return Failure(
        status_error(StatusCode.INTERNAL, "the answer of the server behind this model is none"),
        Fault(fault),
    )


def of_answer(
    status: int, headers: Mapping[str, str], body: bytes, secrets: Iterable[str]
) -> Failure:
    """`status` is not 200; `secrets` are what no client may read."""
    said = _said(body)
    match status:
        case 401 | 402 | 403:
            return unavailable(f"it refuses this gateway's key (HTTP {status})", lasting=True)
        case 404 | 405 | 501 if said.code != "model_not_found":
            error = status_error(
                StatusCode.UNIMPLEMENTED, "The server behind this model cannot do that"
            )
            return Failure(error)
        case 404:
            return unavailable("it has the model no more (HTTP 404)", lasting=True)
        case 429:
            wait = _retry_after(headers)
            error = status_error(
                StatusCode.RESOURCE_EXHAUSTED,
                "the server behind this model takes no more requests now",
                retry_after=wait,
            )
            return Failure(error, hold=wait)
        case 400 | 413 | 422:
            return Failure(_mistake(said, secrets))
        case _:
            return unavailable(f"it answers with HTTP {status}")


def in_stream(error: ErrorPayload | str, secrets: Iterable[str]) -> Failure:
    """Of an answer that had begun with a 200."""
    said = error if isinstance(error, ErrorPayload) else ErrorPayload(message=error)
    if said.type == "invalid_request_error" or said.code in (400, "400"):
        return Failure(_mistake(said, secrets))
    return unavailable("it ended an answer with an error")


def _said(body: bytes) -> ErrorPayload:
    """The error object, wherever servers put it; an empty one where there is none."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ErrorPayload()
    if isinstance(document, dict) and isinstance(document.get("error"), dict):
        document = document["error"]
    try:
        return ErrorPayload.model_validate(document)
    except ValidationError:
        return ErrorPayload()


def _mistake(said: ErrorPayload, secrets: Iterable[str]) -> AioRpcError:
    """The client's, in the member's words: it knows its limits best."""
    message = " ".join(said.message.split())[:_LONGEST_MESSAGE]
    for secret in secrets:
        message = message.replace(secret, "...")
    too_long = said.code == "context_length_exceeded"
    return status_error(
        StatusCode.INVALID_ARGUMENT,
        message or "The server behind this model refuses the request",
        reason="context_length_exceeded" if too_long else "invalid_value",
        field=_field(said.param) if said.param else "",
    )


def _field(param: str) -> str:
    """The place in rostra.v1 of a field of /chat/completions or /completions. Of a list it is the
    whole list: who counts its entries wrongly blames one that is not there."""
    top = re.split(r"[.\[]", param, maxsplit=1)[0]
    name = _RENAMED.get(top, top)
    return f"sampling.{name}" if name in _SAMPLED else name


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds, from the number or the date that the header holds (RFC 9110, section 10.2.3)."""
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError):
            seconds = 1.0
    return min(max(seconds, 0.1), _LONGEST_WAIT) if math.isfinite(seconds) else 1.0
