"""What Prometheus reads of a worker's engine at the moment it asks."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import NamedTuple

import psutil
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rostra.mesh.worker.engine_client import EngineClient
from rostra.mesh.worker.running import RunningRequests
from rostra.mesh.worker.tracing import Tracing

_GAUGES = {
    "num_requests_running": ("running_requests", "Requests in the engine's batch."),
    "num_requests_waiting": ("waiting_requests", "Requests in the engine's queue."),
    "queued_tokens": ("queued_tokens", "Tokens of running and waiting requests to be computed."),
    "kv_blocks": ("kv_blocks_total", "Blocks of the KV cache."),
    "kv_blocks_used": ("kv_blocks_used", "Blocks of the KV cache that requests hold."),
}
_COUNTERS = {
    "prefix_cache_queries": (
        "prefix_cache_queried_tokens",
        "Prompt tokens looked for in the prefix cache.",
    ),
    "prefix_cache_hits": ("prefix_cache_hit_tokens", "Prompt tokens found in it."),
    "preemptions": ("preemptions", "Requests that gave their blocks back and began again."),
    "prompt_tokens": ("prompt_tokens", "Tokens of prompts that were begun."),
    "generation_tokens": ("generated_tokens", "Tokens generated."),
    "spec_decode_draft_tokens": ("draft_tokens", "Tokens guessed and verified."),
    "spec_decode_accepted_tokens": ("accepted_draft_tokens", "Those guesses that were right."),
}
"""By name: the field of `EngineLoad`."""


class Served(NamedTuple):
    """What the worker is."""

    model: str
    revision: str
    max_adapters: int


class EngineCollector(Collector):
    def __init__(self, engine: EngineClient, running: RunningRequests, served: Served) -> None:
        self._engine = engine
        self._running = running
        self._served = served

    def collect(self) -> Iterator[Metric]:
        load, model = self._engine.load, self._served.model
        for name, (field, text) in _GAUGES.items():
            yield self._gauge(name, text, getattr(load, field))
        share = load.kv_blocks_used / load.kv_blocks_total if load.kv_blocks_total else 0.0
        yield self._gauge("kv_cache_usage_ratio", "Part of the KV cache in use, 0 to 1.", share)
        for name, (field, text) in _COUNTERS.items():
            counter = CounterMetricFamily(f"rostra_worker_{name}", text, labels=("model",))
            counter.add_metric((model,), getattr(load, field))
            yield counter
        yield self._gauge(
            "up", "1 while the engine is idle or finished a step recently.", self._engine.able
        )
        yield self._gauge("draining", "1 while no new requests are taken.", self._running.draining)
        restarts = CounterMetricFamily(
            "rostra_worker_engine_restarts",
            "Engines that were started again after one that ended.",
            labels=("model",),
        )
        restarts.add_metric((model,), self._engine.num_restarts)
        yield restarts
        yield from self._adapters()
        yield from self._processes()
        yield self._info()

    def _adapters(self) -> Iterator[Metric]:
        yield self._gauge(
            "adapter_slots", "Adapters that there is room for.", self._served.max_adapters
        )
        info = GaugeMetricFamily(
            "rostra_worker_adapter_info",
            "1 for each adapter that is loaded.",
            labels=("model", "adapter", "rank", "revision"),
        )
        for state in self._engine.adapters.resident.values():
            labels = (self._served.model, state.name, str(state.rank), state.revision)
            info.add_metric(labels, 1)
        yield info

    def _processes(self) -> Iterator[Metric]:
        """Of the engine's processes; the standard metrics are the server's."""
        cpu = CounterMetricFamily(
            "rostra_worker_engine_process_cpu_seconds", "Of each rank's process.", labels=("rank",)
        )
        memory = GaugeMetricFamily(
            "rostra_worker_engine_process_resident_memory_bytes",
            "Of each rank's process.",
            labels=("rank",),
        )
        for rank, pid in enumerate(self._engine.pids):
            try:
                process = psutil.Process(pid)
                times, resident = process.cpu_times(), process.memory_info().rss
            except psutil.Error:  # it has just ended
                continue
            cpu.add_metric((str(rank),), times.user + times.system)
            memory.add_metric((str(rank),), resident)
        return iter((cpu, memory))

    def _info(self) -> Metric:
        info = self._engine.info
        names = ("model", "revision", "version", "device", "dtype")
        values = (
            self._served.model,
            self._served.revision,
            version("rostra"),
            "" if info is None else info.device,
            "" if info is None else info.dtype,
        )
        family = GaugeMetricFamily("rostra_worker_info", "1: what the worker is.", labels=names)
        family.add_metric(values, 1)
        return family

    def _gauge(self, name: str, documentation: str, value: float) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"rostra_worker_{name}", documentation, labels=("model",))
        family.add_metric((self._served.model,), float(value))
        return family


class TracingCollector(Collector):
    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "rostra_worker_trace_spans_dropped",
            "Spans that never reached their collector.",
            self._tracing.dropped,
        )
