"""What is known of one HTTP request while it runs."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rostra.gateway.api_keys import ApiKey
from rostra.gateway.deadline import BadTimeoutError, read_timeout

if TYPE_CHECKING:
    from rostra.gateway.admission.admission import Ticket
    from rostra.gateway.admission.limits import KeyLimits
from rostra.gateway.routing.caller import NOBODY, Caller

if TYPE_CHECKING:
    from rostra.gateway.tracing import RequestSpan

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
# W3C Trace Context, section 3.2: version, trace id, parent id, flags.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[\x21-\x7e]*)?")
_TO_READ_THE_END = 2.0
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")


@dataclass
class Exchange:
    """One request and its answer: what travels on to workers, and what the log line says."""

    request_id: str
    trace: dict[str, str]
    timeout: float | None
    started: float = field(default_factory=time.monotonic)
    model: str = ""
    """The canonical name, once a worker has answered: never a string of the client's choosing."""
    key: ApiKey | None = None
    """The caller's, where callers need one."""
    limits: KeyLimits | None = None
    """The key's, once they were asked."""
    ticket: Ticket | None = None
    """From when it was let through to its end."""
    bad_timeout: str = ""
    """What is wrong with the client's own."""
    caller: Caller = NOBODY
    """What the request tells of them."""
    body_bytes: int = 0
    """Of the request, once it has arrived."""
    stream: bool = False
    workers: list[str] = field(default_factory=list)
    """Every dispatch, retries included."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    streamed_tokens: int = 0
    """At least so many have come, whether or not the worker comes to count them."""
    status: int | None = None
    """Set when the outcome is not the status on the wire: an answer that broke off half-way."""
    error: str | None = None
    first_token: float | None = None
    """When it came, as `started`."""
    span: RequestSpan | None = None
    """Where requests are traced; `trace` is its then."""

    @classmethod
    def of(cls, headers: Mapping[str, str], timeout: float | None) -> Exchange:
        given = headers.get("x-request-id", "")
        trace = {}
        if _TRACEPARENT.fullmatch(headers.get("traceparent", "")):
            trace["traceparent"] = headers["traceparent"]
            if _TRACESTATE.fullmatch(headers.get("tracestate", "")):
                trace["tracestate"] = headers["tracestate"]
        bad_timeout = ""
        try:
            wanted = read_timeout(headers)
        except BadTimeoutError as error:
            bad_timeout = str(error)
        else:
            given_times = [each for each in (timeout, wanted) if each is not None]
            timeout = min(given_times, default=None)
        return cls(
            request_id=given if _REQUEST_ID.fullmatch(given) else f"req_{uuid.uuid4().hex}",
            trace=trace,
            timeout=timeout,
            bad_timeout=bad_timeout,
        )

    @property
    def trace_id(self) -> str | None:
        traceparent = self.trace.get("traceparent")
        return None if traceparent is None else traceparent.split("-")[1]

    def metadata(self, trace: Mapping[str, str] | None = None) -> tuple[tuple[str, str], ...]:
        """For the gRPC calls made on behalf of this request; `trace` is by default its own."""
        trace = self.trace if trace is None else trace
        return (("x-request-id", self.request_id), *trace.items())

    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def patience(self) -> float | None:
        """Seconds until the client must have read the answer, an error at the deadline included."""
        return None if self.timeout is None else self.timeout + _TO_READ_THE_END

    def remaining(self) -> float | None:
        """Seconds to the deadline, not below 0; None without one."""
        return None if self.timeout is None else max(0.0, self.timeout - self.elapsed())


CURRENT: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
"""Of the task that runs."""


def log_fields() -> dict[str, str]:
    """What a line in the log says of the request that it belongs to."""
    exchange = CURRENT.get()
    if exchange is None:
        return {}
    fields = {"request_id": exchange.request_id}
    if exchange.trace_id is not None:
        fields["trace_id"] = exchange.trace_id
    return fields
