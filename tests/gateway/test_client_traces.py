"""Whether what a client has decided of its trace holds at the gateway."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Tracer

from rostra.gateway.context import Exchange
from rostra.gateway.tracing import RequestSpan

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
NOT_SAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"


@dataclass
class Tracing:
    tracer: Tracer
    follow_clients: bool
    prompts: bool = False
    dropped: int = 0


def is_sampled(traceparent: str) -> bool:
    return bool(int(traceparent.rpartition("-")[2], 16) & 1)


def spans_of(
    traceparent: str | None, *, ratio: float, follow: bool
) -> tuple[tuple[ReadableSpan, ...], str]:
    """Of one request, and what is sent to the worker."""
    exported = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBasedTraceIdRatio(ratio), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    headers = {} if traceparent is None else {"traceparent": traceparent}
    exchange = Exchange.of(headers, None)
    span = RequestSpan(Tracing(provider.get_tracer("t"), follow), exchange, "POST", "/v1/x")
    span.end(200)
    return exported.get_finished_spans(), exchange.trace["traceparent"]


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_clients_are_followed(ratio: float) -> None:
    (span,), sent = spans_of(SAMPLED, ratio=ratio, follow=True)
    assert f"{span.context.trace_id:032x}" == TRACE
    assert sent.startswith(f"00-{TRACE}-")
    assert is_sampled(sent)
    spans, sent = spans_of(NOT_SAMPLED, ratio=ratio, follow=True)
    assert spans == ()
    assert not is_sampled(sent)


@pytest.mark.parametrize("traceparent", [SAMPLED, NOT_SAMPLED])
def test_clients_are_not_followed(traceparent: str) -> None:
    spans, sent = spans_of(traceparent, ratio=0.0, follow=False)
    assert spans == ()
    assert TRACE not in sent
    assert not is_sampled(sent)
    (span,), sent = spans_of(traceparent, ratio=1.0, follow=False)
    assert span.parent is None
    assert f"{span.context.trace_id:032x}" in sent
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [TRACE]


@pytest.mark.parametrize("follow", [True, False])
def test_a_request_without_a_trace_begins_one(follow: bool) -> None:
    (span,), sent = spans_of(None, ratio=1.0, follow=follow)
    assert span.parent is None
    assert span.links == ()
    assert is_sampled(sent)
