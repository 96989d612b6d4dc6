"""What Prometheus reads."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rostra.gateway.failover.metrics import FailoverMetrics
from rostra.gateway.fleet import Fleet
from rostra.gateway.fleet_metrics import FleetCollector
from rostra.gateway.token_histogram import TokenHistogram
from rostra.gateway.tracing import Tracing

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_BETWEEN_TOKENS = (0.001, 0.0025, *_SECONDS[:10])
_REASON = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Connections(Protocol):
    """Of clients."""

    @property
    def open(self) -> int: ...

    @property
    def accepted(self) -> int:
        """Since the start."""
        ...


class Metrics:
    """The gateway's own measurements; durations in seconds.

    Every label is from a closed set: routes, models that workers serve, addresses of members.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(FleetCollector(fleet))
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self.requests = Counter(
            "rostra_gateway_requests",
            "Requests that ended. 499: the client went away.",
            ("route", "model", "status"),
            registry=self._registry,
        )
        self.errors = Counter(
            "rostra_gateway_errors",
            "Requests that failed, by the code in the error that the client was told.",
            ("route", "reason"),
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "rostra_gateway_requests_in_flight",
            "Requests that are running.",
            ("route",),
            registry=self._registry,
        )
        self._waiting = Gauge(
            "rostra_gateway_requests_waiting",
            "Requests that wait for a member of the mesh to take them.",
            registry=self._registry,
        )
        self._queue_time = Histogram(
            "rostra_gateway_request_queue_time_seconds",
            "From when a request may be dispatched until a member takes it.",
            ("model",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.duration = Histogram(
            "rostra_gateway_request_duration_seconds",
            "From the arrival of a request to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.time_to_first_token = Histogram(
            "rostra_gateway_time_to_first_token_seconds",
            "From the arrival of a request to the worker's first token.",
            ("model",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.inter_token_latency = TokenHistogram(
            "rostra_gateway_inter_token_latency_seconds",
            "Between a worker's messages of one output that carry tokens.",
            "model",
            _BETWEEN_TOKENS,
        )
        self._registry.register(self.inter_token_latency)
        self.prompt_tokens = Counter(
            "rostra_gateway_prompt_tokens",
            "Tokens of prompts, of answers that were completed.",
            ("model",),
            registry=self._registry,
        )
        self.completion_tokens = Counter(
            "rostra_gateway_completion_tokens",
            "Tokens generated, of answers that were completed.",
            ("model",),
            registry=self._registry,
        )
        self.failover = FailoverMetrics(self._registry)

    def show_waiting(self, waiting: Callable[[], Mapping[str, int]]) -> None:
        """`waiting` tells how many requests of each model wait for their turn."""
        self._registry.register(_QueueCollector(waiting))

    def waiting(self) -> Wait:
        """To be held while a request waits for a member."""
        return Wait(self._waiting, self._queue_time)

    def watch_connections(self, connections: Connections) -> None:
        self._registry.register(_ConnectionCollector(connections))

    def watch_tracing(self, tracing: Tracing) -> None:
        self._registry.register(_TracingCollector(tracing))

    def render(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self._registry)


class _QueueCollector(Collector):
    def __init__(self, waiting: Callable[[], Mapping[str, int]]) -> None:
        self._waiting = waiting

    def collect(self) -> Iterator[Metric]:
        gauge = GaugeMetricFamily(
            "rostra_gateway_queued_requests",
            "Requests that wait for room at a worker.",
            labels=("model",),
        )
        for model, number in self._waiting().items():
            gauge.add_metric((model,), number)
        yield gauge


class Wait:
    """Of one request."""

    def __init__(self, waiting: Gauge, seconds: Histogram) -> None:
        self._waiting = waiting
        self._seconds = seconds
        self._began = self._ended = 0.0

    def __enter__(self) -> Wait:
        self._began = time.monotonic()
        self._waiting.inc()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = time.monotonic()
        self._waiting.dec()

    def of(self, model: str) -> None:
        """To be called when it has ended well, with the name of the model that was asked for."""
        self._seconds.labels(model).observe(self._ended - self._began)


def bounded_reason(code: str | None, status: int) -> str:
    """An error's code as a label. Codes of rostra are identifiers; what a foreign server makes up
    is not passed on."""
    return code if code is not None and _REASON.fullmatch(code) else f"http_{status}"


class _ConnectionCollector(Collector):
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "rostra_gateway_connections",
            "Connections of clients that are open.",
            self._connections.open,
        )
        yield CounterMetricFamily(
            "rostra_gateway_connections_accepted",
            "Connections of clients since the start.",
            self._connections.accepted,
        )


class _TracingCollector(Collector):
    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "rostra_gateway_trace_spans_dropped",
            "Spans that never reached their collector.",
            self._tracing.dropped,
        )
