"""What stands between those who make spans and a collector that may be slow, or gone."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

CAPACITY = 4096
"""Spans on their way. Of one request there are about ten."""
BATCH = 512
LAST_WORDS = 3.0
"""Seconds that the spans that are left have at the end of the process."""


class SpanQueue(SpanProcessor):
    """Sends spans in batches from a thread of its own. Where there are more on their way than
    `capacity`, further ones are dropped and counted: nobody ever waits."""

    def __init__(self, exporter: SpanExporter, capacity: int | None = None) -> None:
        """`capacity` is by default that of $OTEL_BSP_MAX_QUEUE_SIZE."""
        self._capacity = capacity or _positive("OTEL_BSP_MAX_QUEUE_SIZE", CAPACITY)
        batch = _positive("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", BATCH)
        self._on_their_way = 0
        self._dropped = 0
        self._lock = threading.Lock()
        # Room for all that is let through, so that nothing is dropped there uncounted.
        self._batches = BatchSpanProcessor(
            _Told(exporter, self._sent),
            max_queue_size=self._capacity,
            max_export_batch_size=min(batch, self._capacity),
        )

    @property
    def dropped(self) -> int:
        """Spans that found no room, and those that the collector did not take."""
        return self._dropped

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        pass

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or not span.context.trace_flags.sampled:
            return
        with self._lock:
            full = self._on_their_way >= self._capacity
            if full:
                self._dropped += 1
            else:
                self._on_their_way += 1
        if not full:
            self._batches.on_end(span)

    def shutdown(self) -> None:
        """Sends what is left, but does not wait longer than `LAST_WORDS`."""
        ending = threading.Thread(target=self._batches.shutdown, name="last-spans", daemon=True)
        ending.start()
        ending.join(LAST_WORDS)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._batches.force_flush(timeout_millis)

    def _sent(self, count: int, taken: bool) -> None:
        with self._lock:
            self._on_their_way -= count
            if not taken:
                self._dropped += count


class _Told(SpanExporter):
    """An exporter whose results are told."""

    def __init__(self, exporter: SpanExporter, sent: Callable[[int, bool], None]) -> None:
        self._exporter = exporter
        self._sent = sent

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self._sent(len(spans), result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _positive(variable: str, default: int) -> int:
    """As OpenTelemetry has it, a value that is none is as good as unset."""
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() and int(text) else default
