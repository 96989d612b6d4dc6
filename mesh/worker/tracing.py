"""Spans of calls, by OpenTelemetry's conventions for RPC and generative AI.

A call is one span; below it, for each output, the phases that the engine tells of, and below those
some of its steps. `opentelemetry` is imported only where something is traced.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import grpc

from rostra.mesh.engine.messages import RequestOutput
from rostra.mesh.worker.engine_stream import StepFigures

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

    from rostra.mesh.worker.request_log import RequestRecord, Timeline

SERVICE = "rostra.v1.Inference"
MAX_OUTPUTS = 8
"""Of a call, whose phases are told."""
_OPERATIONS = {"Chat": "chat", "Generate": "text_completion", "Embed": "embeddings"}


class Tracing(Protocol):
    """What spans are made with."""

    @property
    def tracer(self) -> Tracer: ...

    @property
    def dropped(self) -> int:
        """Spans that never reached their collector."""
        ...


class CallSpan:
    """Of one call. Continues the caller's trace where there is one."""

    def __init__(self, tracing: Tracing, method: str, trace: Mapping[str, str]) -> None:
        from opentelemetry.trace import SpanKind, set_span_in_context
        from opentelemetry.trace.propagation import tracecontext

        propagator = tracecontext.TraceContextTextMapPropagator()
        self._tracer = tracing.tracer
        self._span = self._tracer.start_span(
            f"{SERVICE}/{method}",
            propagator.extract(trace),
            SpanKind.SERVER,
            {
                "rpc.system": "grpc",
                "rpc.service": SERVICE,
                "rpc.method": method,
                "gen_ai.operation.name": _OPERATIONS[method],
                "gen_ai.provider.name": "rostra",
            },
        )
        self._context = set_span_in_context(self._span)
        self.carrier: dict[str, str] = {}
        """What tells others of the span."""
        propagator.inject(self.carrier, self._context)
        self.on_step = self._note_step if self._span.is_recording() else None
        """To be told of each step that made something for the call."""
        self._steps: list[StepFigures] = []
        self._num_steps = 0
        self._epoch = 0
        self._followed: str | None = None

    def end(self, record: RequestRecord, status: str, reason: str | None) -> None:
        from opentelemetry.trace import StatusCode

        span = self._span
        if span.is_recording():
            span.set_attributes(_attributes(record))
            code = grpc.StatusCode[status]
            span.set_attribute("rpc.grpc.status_code", code.value[0])
            if reason is not None:
                span.set_attribute("error.type", reason)
                span.set_status(StatusCode.ERROR, reason)
            self._epoch = _since_1970()
            for timeline in islice(record.timelines(), MAX_OUTPUTS):
                self._tell(timeline)
        span.end()

    def _note_step(self, output: RequestOutput, step: StepFigures) -> None:
        # Of the first output; and of its steps the first, the second, the fourth, ...: few of a
        # long answer, and still over its whole length.
        if self._followed is None:
            self._followed = output.request_id
        if output.request_id == self._followed:
            self._num_steps += 1
            if self._num_steps & (self._num_steps - 1) == 0:
                self._steps.append(step)

    def _tell(self, timeline: Timeline) -> None:
        # The first step that made something ends the prefill.
        steps, self._steps = self._steps, []
        of_phase = {"prefill": steps[:1], "decode": steps[1:]}
        for name, begin, end in _phases(timeline):
            preempted = [moment for moment in timeline.preempted if begin <= moment < end]
            context = self._add(name, self._context, begin, end, preempted, {})
            for step in of_phase.get(name, ()):
                figures = {
                    "rostra.step.requests": step.requests,
                    "rostra.step.tokens": step.tokens,
                }
                self._add("step", context, step.ended - step.seconds, step.ended, (), figures)

    def _wall(self, moment: float) -> int:
        return int(moment * 1e9) + self._epoch

    def _add(
        self,
        name: str,
        parent: Context,
        begin: float,
        end: float,
        preempted: Iterable[float],
        attributes: Mapping[str, int],
    ) -> Context:
        """A span that is over already; times are those of `time.monotonic()`."""
        from opentelemetry.trace import set_span_in_context

        span = self._tracer.start_span(
            name, parent, attributes=attributes, start_time=self._wall(begin)
        )
        for moment in preempted:
            span.add_event("preempted", timestamp=self._wall(moment))
        span.end(self._wall(end))
        return set_span_in_context(span)


def _phases(timeline: Timeline) -> Iterator[tuple[str, float, float]]:
    """Name, begin and end of those that there were."""
    started, first, ended = timeline.started, timeline.first_token, timeline.ended
    yield "queue", timeline.arrived, ended if started is None else started
    if started is not None:
        yield "prefill", started, ended if first is None else first
    if first is not None:
        yield "decode", first, ended


def _attributes(record: RequestRecord) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "gen_ai.usage.input_tokens": record.prompt_tokens,
        "gen_ai.usage.cache_read.input_tokens": record.cached_tokens,
        "gen_ai.usage.output_tokens": record.completion_tokens,
    }
    if record.model:
        attributes["gen_ai.response.model"] = record.model
    if record.request_id is not None:
        attributes["gen_ai.response.id"] = record.request_id
    if record.caller.request_id is not None:
        attributes["rostra.request_id"] = record.caller.request_id
    if record.first_tokens is not None:
        waited = record.first_tokens - record.began
        attributes["gen_ai.response.time_to_first_chunk"] = waited
    if record.finishes:
        reasons = [finish.removeprefix("FINISH_REASON_").lower() for finish in record.finishes]
        attributes["gen_ai.response.finish_reasons"] = reasons
    return attributes


def _since_1970() -> int:
    """Nanoseconds to add to `time.monotonic_ns()`."""
    readings = []
    for _ in range(3):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1]
