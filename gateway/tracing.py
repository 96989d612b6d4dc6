"""Spans of requests, by OpenTelemetry's conventions for HTTP, RPC and generative AI.

A request is one span, and each dispatch to a member of the mesh a span below it. `opentelemetry` is
imported only where something is traced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from rostra.gateway.context import Exchange

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from rostra.gateway.link import Link

_OPERATIONS = {
    "ChatRequest": "chat",
    "GenerateRequest": "text_completion",
    "EmbedRequest": "embeddings",
}
_SAMPLING = {
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
}
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"})
_LONGEST_PROMPT = 32_768
"""Characters."""


class Tracing(Protocol):
    """What spans are made with."""

    @property
    def tracer(self) -> Tracer: ...

    @property
    def prompts(self) -> bool:
        """Whether the messages of requests are attributes of spans."""
        ...

    @property
    def follow_clients(self) -> bool:
        """Whether clients' traces go on here, and so what they have decided to sample."""
        ...

    @property
    def dropped(self) -> int:
        """Spans that never reached their collector."""
        ...


class RequestSpan:
    """Of one HTTP request, from its arrival to the end of its answer. Continues the client's trace
    where there is one; or, where clients are not followed, begins one with a link to it."""

    def __init__(self, tracing: Tracing, exchange: Exchange, method: str, route: str) -> None:
        from opentelemetry.context import Context
        from opentelemetry.trace import Link, SpanKind, get_current_span
        from opentelemetry.trace.propagation import tracecontext

        method = method if method in METHODS else "_OTHER"
        self._tracing = tracing
        self._exchange = exchange
        self._propagator = tracecontext.TraceContextTextMapPropagator()
        context, links = self._propagator.extract(exchange.trace, Context()), []
        if not tracing.follow_clients:
            theirs = get_current_span(context).get_span_context()
            context, links = Context(), [Link(theirs)] if theirs.is_valid else []
        self._span = tracing.tracer.start_span(
            f"{method} {route}",
            context,
            SpanKind.SERVER,
            {
                "http.request.method": method,
                "http.route": route,
                "rostra.request_id": exchange.request_id,
            },
            links,
        )
        exchange.trace = self._carrier(self._span)

    def end(self, status: int) -> None:
        from opentelemetry.trace import StatusCode

        exchange, span = self._exchange, self._span
        span.set_attribute("http.response.status_code", status)
        span.set_attribute("gen_ai.request.stream", exchange.stream)
        if exchange.key is not None:
            span.set_attribute("rostra.key.name", exchange.key.name)
        if exchange.model:
            span.set_attribute("gen_ai.response.model", exchange.model)
            span.set_attribute("gen_ai.usage.input_tokens", exchange.prompt_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", exchange.completion_tokens)
        if exchange.first_token is not None:
            waited = exchange.first_token - exchange.started
            span.set_attribute("gen_ai.response.time_to_first_chunk", waited)
        if exchange.error is not None:
            span.set_attribute("error.type", exchange.error)
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()

    @contextmanager
    def dispatch(self, link: Link, request: Message, attempt: int) -> Iterator[Mapping[str, str]]:
        """Around one dispatch. Yields what tells the member of its span."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        span = self._tracing.tracer.start_span(
            f"{_OPERATIONS.get(type(request).__name__, type(request).__name__)} "
            f"{self._exchange.model}",
            set_span_in_context(self._span),
            SpanKind.CLIENT,
            self._attributes(link, request, attempt),
        )
        try:
            yield self._carrier(span)
        except BaseException as error:
            _set_error(span, error)
            raise
        finally:
            span.end()

    def _attributes(self, link: Link, request: Any, attempt: int) -> dict[str, Any]:
        host, _, port = link.address.rpartition(":")
        attributes: dict[str, Any] = {
            "gen_ai.provider.name": link.owner,
            "gen_ai.request.model": self._exchange.model,
            "rostra.attempt": attempt,
            "server.address": host or link.address,
        }
        if operation := _OPERATIONS.get(type(request).__name__):
            attributes["gen_ai.operation.name"] = operation
        if port.isdecimal():
            attributes["server.port"] = int(port)
        if "sampling" in request.DESCRIPTOR.fields_by_name:
            for field, name in _SAMPLING.items():
                if request.sampling.HasField(field):
                    attributes[name] = getattr(request.sampling, field)
        if self._tracing.prompts and "messages" in request.DESCRIPTOR.fields_by_name:
            import orjson

            messages = [MessageToDict(message) for message in request.messages]
            attributes["gen_ai.input.messages"] = orjson.dumps(messages).decode()[:_LONGEST_PROMPT]
        return attributes

    def _carrier(self, span: Span) -> dict[str, str]:
        from opentelemetry.trace import set_span_in_context

        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, set_span_in_context(span))
        return carrier


@contextmanager
def dispatch_span(
    exchange: Exchange, link: Link, request: Message, attempt: int
) -> Iterator[tuple[tuple[str, str], ...]]:
    """Around one dispatch. Yields its metadata."""
    if exchange.span is None:
        yield exchange.metadata()
        return
    with exchange.span.dispatch(link, request, attempt) as trace:
        yield exchange.metadata(trace)


def _set_error(span: Span, error: BaseException) -> None:
    from opentelemetry.trace import StatusCode

    if isinstance(error, grpc.aio.AioRpcError):
        name = error.code().name
        span.set_attribute("rpc.grpc.status_code", error.code().value[0])
        span.set_attribute("error.type", name)
        span.set_status(StatusCode.ERROR, name)
    elif not isinstance(error, GeneratorExit):
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(StatusCode.ERROR)
