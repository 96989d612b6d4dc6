"""What is known of one call: for the log, for Prometheus, and for its trace."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rostra.mesh.engine.messages import Phases, RequestOutput
from rostra.mesh.worker.engine_stream import StepFigures
from rostra.mesh.worker.histogram import Buckets
from rostra.mesh.worker.metrics import WorkerMetrics
from rostra.mesh.worker.status import Context, status_name, status_reason
from rostra.mesh.worker.tracing import CallSpan, Tracing

if TYPE_CHECKING:
    pass

log = logging.getLogger("rostra.requests")

# https://www.w3.org/TR/trace-context/#traceparent-header
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")
CALLERS_ID = re.compile(r"[\x21-\x7e]{1,128}")

CURRENT: ContextVar[RequestRecord | None] = ContextVar("record", default=None)
"""Of the task that runs."""


class CallLine(dict[str, Any]):
    """The line in the log; JSON, so that programs can read it in either format of the log."""

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()


class Timeline(NamedTuple):
    """Of one output, in seconds of `time.monotonic()`."""

    arrived: float
    started: float | None
    first_token: float | None
    ended: float
    preempted: list[float]


class Caller(NamedTuple):
    """Who says that it calls, as far as that is well-formed."""

    trace: Mapping[str, str] = MappingProxyType({})
    """`traceparent` and `tracestate` of W3C Trace Context."""
    request_id: str | None = None
    """That the caller's own log has."""

    @classmethod
    def of(cls, context: Context) -> Caller:
        found = {
            key: value
            for key, value in context.invocation_metadata() or ()
            if key in ("traceparent", "tracestate", "x-request-id") and isinstance(value, str)
        }
        given = found.pop("x-request-id", "")
        if not TRACEPARENT.fullmatch(found.get("traceparent", "")):
            found = {}
        elif not TRACESTATE.fullmatch(found.get("tracestate", "")):
            found.pop("tracestate", None)
        return cls(found, given if CALLERS_ID.fullmatch(given) else None)


NOBODY = Caller()


class Observers(NamedTuple):
    """Who is told of calls."""

    metrics: WorkerMetrics
    tracing: Tracing | None = None


@dataclass
class RequestRecord:
    """What is known of a call by the time it ends. Leaving the context tells it."""

    method: str
    caller: Caller = NOBODY
    observers: Observers | None = None
    request_id: str | None = None
    model: str = ""
    """The one that answers, or its adapter; never a name of the caller's choosing."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    finishes: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    first_tokens: float | None = None
    seconds: float = 0.0
    """Set at the end."""
    _trace: Mapping[str, str] = field(init=False)
    _span: CallSpan | None = None
    _latency: Buckets | None = None
    _phases: dict[int, Phases] = field(default_factory=dict)
    _last_tokens: dict[int, float] = field(default_factory=dict)
    _before: Token[RequestRecord | None] | None = None

    def __post_init__(self) -> None:
        self._trace = self.caller.trace

    def __enter__(self) -> RequestRecord:
        self._before = CURRENT.set(self)
        if self.observers is not None and self.observers.tracing is not None:
            self._span = CallSpan(self.observers.tracing, self.method, self.caller.trace)
            self._trace = self._span.carrier
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        self.seconds = time.monotonic() - self.began
        status, reason = status_name(error), status_reason(error)
        if self.observers is not None:
            self.observers.metrics.note_request(self, status, reason)
        if self._span is not None:
            self._span.end(self, status, reason)
        self._write(status, reason)
        if self._before is not None:
            CURRENT.reset(self._before)

    @property
    def log_id(self) -> str | None:
        """By which the call is found in this log and in its caller's."""
        return self.caller.request_id or self.request_id

    @property
    def trace_id(self) -> str | None:
        traceparent = self._trace.get("traceparent")
        return None if traceparent is None else traceparent.split("-")[1]

    @property
    def on_step(self) -> Callable[[RequestOutput, StepFigures], None] | None:
        """Who wants to know of the engine's steps."""
        return None if self._span is None else self._span.on_step

    def answered_by(self, model: str) -> None:
        self.model = model
        if self.observers is not None:
            self._latency = self.observers.metrics.inter_token_latency.of(model)

    def note_output(self, index: int, output: RequestOutput) -> None:
        if output.phases is not None:
            self._phases[index] = output.phases
        count = len(output.tokens)
        if not count:
            return
        now = time.monotonic()
        last = self._last_tokens.get(index)
        self._last_tokens[index] = now
        if last is None:
            if self.first_tokens is None:
                self.first_tokens = now
        elif self._latency is not None:
            self._latency.observe((now - last) / count, count)

    def timelines(self) -> Iterator[Timeline]:
        """Of each output that the engine has told of."""
        now = time.monotonic()
        for index, phases in self._phases.items():
            last = self._last_tokens.get(index, now)
            yield Timeline(
                phases.arrived,
                phases.started,
                phases.first_token,
                last if phases.finished is None else phases.finished,
                phases.preempted,
            )

    def _write(self, status: str, reason: str | None) -> None:
        first = self.first_tokens
        line = CallLine(
            message=f"{self.method} {status}",
            method=self.method,
            request_id=self.log_id,
            call_id=self.request_id,
            trace_id=self.trace_id,
            model=self.model or None,
            status=status,
            error=reason,
            finishes=self.finishes,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            completion_tokens=self.completion_tokens,
            first_token_seconds=None if first is None else round(first - self.began, 4),
            seconds=round(self.seconds, 4),
        )
        log.info(line)


def log_fields() -> dict[str, str]:
    """What a line in the log says of the call that it belongs to."""
    record = CURRENT.get()
    if record is None:
        return {}
    told = {"request_id": record.log_id, "trace_id": record.trace_id}
    return {name: value for name, value in told.items() if value is not None}
