"""What Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rostra.gateway.failover.metrics import FailoverMetrics
from rostra.gateway.fleet import Fleet
from rostra.gateway.token_histogram import TokenHistogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """The gateway's own measurements; durations in seconds.

    Every label is from a closed set: routes, models that workers serve, addresses of members.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_FleetCollector(fleet))
        self.requests = Counter(
            "rostra_gateway_requests",
            "Requests that ended. 499: the client went away.",
            ("route", "model", "status"),
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "rostra_gateway_requests_in_flight",
            "Requests that are running.",
            ("route",),
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
            _SECONDS,
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


class _FleetCollector(Collector):
    """Reads the fleet when it is asked, so that a worker that has left leaves no stale series."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        up = self._gauge("up", "1 if the worker is serving, else 0.")
        running = self._gauge("running_requests", "Requests running at the worker.")
        waiting = self._gauge("waiting_requests", "Requests queued at the worker.")
        queued = self._gauge("queued_tokens", "Tokens the worker has not computed yet.")
        used = self._gauge("kv_blocks_used", "Blocks of the KV cache held by requests.")
        total = self._gauge("kv_blocks", "Blocks of the KV cache.")
        breaker = self._gauge("breaker_open", "1 if it is left alone because its calls failed.")
        for link in self._fleet:
            if link.breaker is not None:
                breaker.add_metric((link.address,), float(bool(link.breaker.fault)))
            labels = (link.address,)
            up.add_metric(labels, float(link.serving))
            if link.serving:
                running.add_metric(labels, link.load.running_requests)
            if link.serving and not link.external:
                waiting.add_metric(labels, link.load.waiting_requests)
                queued.add_metric(labels, link.load.queued_tokens)
                used.add_metric(labels, link.load.kv_blocks_used)
                total.add_metric(labels, link.load.kv_blocks_total)
        return iter((up, running, waiting, queued, used, total, breaker, *self._spending()))

    def _spending(self) -> Iterator[Metric]:
        """Of members that are other servers, as far as they tell."""
        tokens = self._counter(
            "tokens", "Tokens of answers, by kind; cached_prompt is a part of prompt.", "kind"
        )
        cost = self._counter("cost", "What answers cost, by the prices that are configured.")
        uncounted = self._counter(
            "uncounted_answers", "Answers that did not say how many tokens they used."
        )
        for member in self._fleet.members:
            spending, name = member.spending, member.address
            for (model, kind), count in spending.tokens.items():
                tokens.add_metric((name, model, kind), count)
            for model, amount in spending.cost.items():
                cost.add_metric((name, model), amount)
            for model, count in spending.uncounted.items():
                uncounted.add_metric((name, model), count)
        return iter((tokens, cost, uncounted))

    @staticmethod
    def _counter(name: str, documentation: str, *labels: str) -> CounterMetricFamily:
        return CounterMetricFamily(
            f"rostra_gateway_member_{name}", documentation, labels=("member", "model", *labels)
        )

    @staticmethod
    def _gauge(name: str, documentation: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"rostra_gateway_worker_{name}", documentation, labels=("worker",))
