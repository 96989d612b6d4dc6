"""What Prometheus reads of a worker. Names follow those of other engines; durations in seconds.

Every label is from a closed set: the model and its adapters, methods, reasons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from rostra.mesh.worker.engine_stream import StepFigures
from rostra.mesh.worker.histogram import LoopHistogram

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from rostra.mesh.worker.request_log import RequestRecord

_WAITS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_STEPS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_TOKENS = tuple(float(4**power) for power in range(10))
_BATCH = tuple(float(2**power) for power in range(11))


class WorkerMetrics:
    """The measurements of one worker; all methods belong to its event loop."""

    def __init__(self, model: str) -> None:
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self.time_to_first_token = self._histogram(
            "time_to_first_token_seconds", "From the arrival of a call to its first token.", _WAITS
        )
        self.inter_token_latency = self._histogram(
            "inter_token_latency_seconds",
            "Between two tokens of one output; of several that come together, their part each.",
            _STEPS,
        )
        self._queue_time = self._histogram(
            "request_queue_time_seconds", "Of an output in the engine's queue.", _WAITS
        )
        self._prefill_time = self._histogram(
            "request_prefill_time_seconds", "From the queue to the first token.", _WAITS
        )
        self._decode_time = self._histogram(
            "request_decode_time_seconds", "From the first token to the last.", _WAITS
        )
        self._latency = self._histogram(
            "e2e_request_latency_seconds", "From the arrival of a call to its end.", _WAITS
        )
        self._prompt_tokens = self._histogram(
            "request_prompt_tokens", "Tokens of the prompt of a call.", _TOKENS
        )
        self._generation_tokens = self._histogram(
            "request_generation_tokens", "Tokens generated in a call, of all its outputs.", _TOKENS
        )
        self._step_duration = self._histogram(
            "step_duration_seconds", "Of a step of the engine.", _STEPS
        ).of(model)
        self._step_requests = self._histogram(
            "step_requests", "Requests in a step: the batch size.", _BATCH
        ).of(model)
        self._step_tokens = self._histogram(
            "step_tokens", "Tokens computed in a step.", _TOKENS
        ).of(model)
        self._requests = Counter(
            "rostra_worker_requests",
            "Calls that ended, by the status of gRPC.",
            ("model", "method", "status"),
            registry=self._registry,
        )
        self._finishes = Counter(
            "rostra_worker_finished_outputs",
            "Outputs that were complete, by the reason of their end.",
            ("model", "finish_reason"),
            registry=self._registry,
        )
        self._errors = Counter(
            "rostra_worker_errors",
            "Calls that failed, by the reason in the details of their status.",
            ("model", "method", "reason"),
            registry=self._registry,
        )

    def register(self, collector: Collector) -> None:
        """Adds what is read when it is asked for."""
        self._registry.register(collector)

    def note_step(self, step: StepFigures) -> None:
        self._step_duration.observe(step.seconds)
        self._step_requests.observe(step.requests)
        self._step_tokens.observe(step.tokens)

    def note_request(self, record: RequestRecord, status: str, reason: str | None) -> None:
        """Of a call that has ended."""
        model, method = record.model, record.method
        self._requests.labels(model, method, status).inc()
        if reason is not None:
            self._errors.labels(model, method, reason).inc()
        for finish in record.finishes:
            name = finish.removeprefix("FINISH_REASON_").lower()
            self._finishes.labels(model, name).inc()
        if not model:
            return
        self._latency.of(model).observe(record.seconds)
        if record.prompt_tokens:
            self._prompt_tokens.of(model).observe(record.prompt_tokens)
        if record.completion_tokens:
            self._generation_tokens.of(model).observe(record.completion_tokens)
        if record.first_tokens is not None:
            waited = record.first_tokens - record.began
            self.time_to_first_token.of(model).observe(waited)
        for timeline in record.timelines():
            if timeline.started is not None:
                self._queue_time.of(model).observe(timeline.started - timeline.arrived)
                if timeline.first_token is not None:
                    prefill = timeline.first_token - timeline.started
                    self._prefill_time.of(model).observe(prefill)
                    self._decode_time.of(model).observe(timeline.ended - timeline.first_token)

    def render(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self._registry)

    def _histogram(self, name: str, documentation: str, bounds: tuple[float, ...]) -> LoopHistogram:
        made = LoopHistogram(f"rostra_worker_{name}", documentation, bounds)
        self._registry.register(made)
        return made
