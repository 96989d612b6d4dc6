"""Collectors of traces for tests: over HTTP, over gRPC, and one that never answers."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1 import common_pb2


@dataclass
class ReceivedSpan:
    name: str
    service: str
    span_id: bytes
    parent_id: bytes
    kind: int
    begin: int
    end: int
    status: int
    attributes: dict[str, Any]
    events: list[str]


@dataclass
class Collected:
    """What a collector got, by trace id in hexadecimal."""

    traces: dict[str, list[ReceivedSpan]] = field(default_factory=lambda: defaultdict(list))
    bodies: bytes = b""

    def take(self, body: bytes) -> None:
        self.bodies += body
        request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            service = _attributes(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.traces[span.trace_id.hex()].append(
                        ReceivedSpan(
                            span.name,
                            service,
                            span.span_id,
                            span.parent_span_id,
                            span.kind,
                            span.start_time_unix_nano,
                            span.end_time_unix_nano,
                            span.status.code,
                            _attributes(span.attributes),
                            [event.name for event in span.events],
                        )
                    )

    def wait(self, trace_id: str, *names: str, timeout: float = 60.0) -> list[ReceivedSpan]:
        """All spans of a trace, once those of these names are there."""
        end = time.monotonic() + timeout
        while True:
            spans = list(self.traces[trace_id])
            if set(names) <= {span.name for span in spans}:
                return spans
            if time.monotonic() > end:
                raise AssertionError(f"{names} are not all in {[span.name for span in spans]}")
            time.sleep(0.05)


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: common_pb2.AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind)


@contextmanager
def http_collector(*, answers: bool = True) -> Iterator[tuple[str, Collected]]:
    """Its base URL and what it got. One that does not answer takes connections and is silent."""
    collected, ending = Collected(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if not answers:
                ending.wait()
                return
            assert self.path == "/v1/traces"
            collected.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", collected
    finally:
        ending.set()
        server.shutdown()


@contextmanager
def grpc_collector() -> Iterator[tuple[str, Collected]]:
    collected = Collected()

    class Service(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            collected.take(request.SerializeToString())
            return trace_service_pb2.ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}", collected
    finally:
        server.stop(None)
