"""`[tracing]`: where spans go, by OpenTelemetry's protocol (OTLP)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

    from rostra.mesh.cli.span_queue import SpanQueue

Protocol = Literal["http/protobuf", "grpc"]


class TracingSettings(BaseModel):
    """What is left out is as OpenTelemetry's environment variables say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str | None = None
    """Base URL of the collector; without one, and without $OTEL_EXPORTER_OTLP_ENDPOINT, nothing is
    traced."""
    protocol: Protocol | None = None
    sample_ratio: float | None = Field(default=None, ge=0, le=1)
    """Of the requests whose client did not decide it, or is not followed."""
    follow_clients: bool = True
    """Whether a request that comes with a trace goes on with it, and is sampled where the client
    has sampled it. Otherwise it begins a trace, which names the client's in a link."""
    prompts: bool = False
    """Whether the messages of requests are attributes of spans."""

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{value!r} is no URL; write http://host:port")
        return value

    @property
    def wanted(self) -> bool:
        if _environment("OTEL_SDK_DISABLED").lower() == "true":
            return False
        if _environment("OTEL_TRACES_EXPORTER") == "none":
            return False
        return bool(
            self.endpoint
            or _environment("OTEL_EXPORTER_OTLP_ENDPOINT")
            or _environment("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        )


class Tracing(NamedTuple):
    """What a gateway or a worker makes spans with."""

    tracer: Tracer
    prompts: bool
    follow_clients: bool
    queue: SpanQueue

    @property
    def dropped(self) -> int:
        """Spans that never reached the collector."""
        return self.queue.dropped


@contextmanager
def traced(service: str, settings: TracingSettings | None) -> Iterator[Tracing | None]:
    """What spans are made with, for a process of this kind; None where nothing is traced.

    At the end, what is left goes to the collector, for a few seconds at most. Raises RostraError
    where the packages are missing, or the protocol is none.
    """
    settings = settings or TracingSettings()
    if not settings.wanted:
        yield None
        return
    missing = [name for name in ("sdk", "exporter.otlp") if not _installed(f"opentelemetry.{name}")]
    if missing:
        raise RostraError(
            f"tracing needs {' and '.join(f'opentelemetry.{name}' for name in missing)}: install "
            "them with pip install 'rostra[tracing]', or take away what turns tracing on"
        )
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    from rostra.mesh.cli.span_queue import SpanQueue

    queue = SpanQueue(_exporter(settings))
    who = {
        "service.name": _environment("OTEL_SERVICE_NAME") or service,
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
        "service.version": version("rostra"),
    }
    ratio = settings.sample_ratio
    provider = TracerProvider(
        # None: as $OTEL_TRACES_SAMPLER says.
        sampler=None if ratio is None else ParentBasedTraceIdRatio(ratio),
        resource=Resource.create(who),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(queue)
    try:
        tracer = provider.get_tracer("rostra", version("rostra"))
        yield Tracing(tracer, settings.prompts, settings.follow_clients, queue)
    finally:
        provider.shutdown()


def _exporter(settings: TracingSettings) -> SpanExporter:
    protocol = (
        settings.protocol
        or _environment("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        or _environment("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "http/protobuf"
    )
    endpoint = settings.endpoint
    if protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http import trace_exporter as http

        return http.OTLPSpanExporter(endpoint and endpoint.rstrip("/") + "/v1/traces")
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc

        return grpc.OTLPSpanExporter(endpoint)
    raise RostraError(
        f"$OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}; use http/protobuf or grpc here"
    )


def _environment(name: str) -> str:
    return os.environ.get(name, "").strip()


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
