"""Traces of real processes, at a real receiver of OTLP."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path

import pytest
import requests
from mesh_processes import CHAT, Mesh, mesh
from otlp_receivers import Collected, ReceivedSpan, grpc_collector, http_collector

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SERVER, CLIENT, INTERNAL = 2, 3, 1
REQUEST = f"POST {CHAT}"
CALL = "rostra.v1.Inference/Chat"
PHASES = ("queue", "prefill", "decode")
ERROR = 2


def only(spans: list[ReceivedSpan], name: str) -> ReceivedSpan:
    (found,) = [span for span in spans if span.name == name]
    return found


def traced(number: int, flags: str = "01") -> tuple[str, dict[str, str]]:
    trace = f"{number:032x}"
    return trace, {"traceparent": f"00-{trace}-{CALLER}-{flags}"}


def test_a_request_is_one_trace_from_its_caller_to_the_steps(
    watched: Mesh, collector: tuple[str, Collected]
) -> None:
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", "x-request-id": "mine"}
    answer = watched.chat("a secret wish", headers, max_tokens=40, temperature=0.5)
    assert answer.status_code == 200
    usage = answer.json()["usage"]
    spans = collector[1].wait(TRACE, REQUEST, "chat tiny", CALL, *PHASES, "step")
    request, dispatch, call = (only(spans, name) for name in (REQUEST, "chat tiny", CALL))
    assert request.parent_id.hex() == CALLER
    assert dispatch.parent_id == request.span_id
    assert call.parent_id == dispatch.span_id
    assert (request.kind, dispatch.kind, call.kind) == (SERVER, CLIENT, SERVER)
    assert (request.service, dispatch.service) == ("rostra-gateway", "rostra-gateway")
    assert call.service == "rostra-worker"
    phases = [only(spans, name) for name in PHASES]
    assert {phase.parent_id for phase in phases} == {call.span_id}
    assert [phase.kind for phase in phases] == [INTERNAL] * 3
    # They follow each other, and lie within what they belong to.
    for before, after in pairwise(phases):
        assert before.begin <= before.end <= after.end
        assert abs(before.end - after.begin) < 1_000_000
    assert request.begin <= dispatch.begin <= call.begin <= phases[0].begin + 1_000_000
    assert phases[-1].end <= request.end + 1_000_000
    assert call.end <= request.end
    steps = [span for span in spans if span.name == "step"]
    assert [span.parent_id for span in steps].count(phases[1].span_id) == 1
    # Few of forty.
    assert 3 <= [span.parent_id for span in steps].count(phases[2].span_id) <= 6
    assert all(step.attributes["rostra.step.requests"] >= 1 for step in steps)
    assert all(step.attributes["rostra.step.tokens"] >= 1 for step in steps)
    told = request.attributes
    assert told["http.route"] == CHAT
    assert told["http.response.status_code"] == 200
    assert told["rostra.request_id"] == call.attributes["rostra.request_id"] == "mine"
    assert told["gen_ai.usage.output_tokens"] == usage["completion_tokens"] == 40
    assert 0 < told["gen_ai.response.time_to_first_chunk"] < (request.end - request.begin) / 1e9
    assert dispatch.attributes["gen_ai.request.temperature"] == 0.5
    assert dispatch.attributes["gen_ai.operation.name"] == "chat"
    assert f"127.0.0.1:{dispatch.attributes['server.port']}" == watched.worker.address
    assert call.attributes["gen_ai.usage.input_tokens"] == usage["prompt_tokens"]
    assert call.attributes["gen_ai.response.finish_reasons"] == ["length"]
    assert call.attributes["rpc.grpc.status_code"] == 0


def test_no_prompt_reaches_the_collector(watched: Mesh, collector: tuple[str, Collected]) -> None:
    trace, headers = traced(2)
    watched.chat("my mother's maiden name", headers)
    collector[1].wait(trace, REQUEST, CALL, "decode")
    assert b"maiden" not in collector[1].bodies


def test_the_same_trace_in_the_logs(watched: Mesh, collector: tuple[str, Collected]) -> None:
    answer = watched.chat("hello")
    line = watched.gateway.line(request_id=answer.headers["x-request-id"])
    spans = collector[1].wait(line["trace_id"], REQUEST, CALL)
    assert only(spans, REQUEST).parent_id == b""


def test_a_caller_that_samples_nothing_is_followed(
    watched: Mesh, collector: tuple[str, Collected]
) -> None:
    quiet, headers = traced(3, "00")
    assert watched.chat("hello", headers).status_code == 200
    after, headers = traced(4)
    watched.chat("hello", headers)
    collector[1].wait(after, REQUEST, CALL, "decode")
    assert collector[1].traces[quiet] == []


def test_failures_and_their_reasons(watched: Mesh, collector: tuple[str, Collected]) -> None:
    trace, headers = traced(5)
    assert watched.chat("word " * 5000, headers).status_code == 400
    spans = collector[1].wait(trace, REQUEST, "chat tiny", CALL)
    assert only(spans, CALL).attributes["error.type"] == "context_length_exceeded"
    assert only(spans, "chat tiny").attributes["error.type"] == "INVALID_ARGUMENT"
    assert only(spans, "chat tiny").status == ERROR
    told = only(spans, REQUEST).attributes
    assert told["error.type"] == "context_length_exceeded"
    assert told["http.response.status_code"] == 400
    # The mistake of a client is none of the server's.
    assert only(spans, REQUEST).status != ERROR


def test_a_client_that_leaves_has_a_trace_too(
    watched: Mesh, collector: tuple[str, Collected]
) -> None:
    trace, headers = traced(6)
    body = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "hi"}],
        "ignore_eos": True,
        "max_tokens": 4000,
        "stream": True,
    }
    url = watched.gateway.address + CHAT
    with requests.post(url, json=body, headers=headers, stream=True, timeout=60) as answer:
        next(answer.iter_lines())
    spans = collector[1].wait(trace, REQUEST, "chat tiny", CALL, "decode")
    assert only(spans, REQUEST).attributes["error.type"] == "client_gone"
    assert only(spans, CALL).attributes["error.type"] == "cancelled"


def test_probes_are_not_traced(watched: Mesh, collector: tuple[str, Collected]) -> None:
    trace, headers = traced(7)
    for path in ("/health", "/ready", "/metrics"):
        assert requests.get(watched.gateway.address + path, headers=headers, timeout=60).ok
    after, headers = traced(8)
    watched.chat("hello", headers)
    collector[1].wait(after, REQUEST)
    assert collector[1].traces[trace] == []


CONFIG = """
[tracing]
endpoint = "{endpoint}"
protocol = "grpc"
sample_ratio = 1.0
prompts = true

[gateway]
port = 0
workers = ["{worker}"]
"""


def test_over_grpc_and_with_prompts_where_told_so(watched: Mesh, tmp_path: Path) -> None:
    from mesh_processes import command

    file = tmp_path / "rostra.toml"
    with grpc_collector() as (endpoint, collected):
        file.write_text(CONFIG.format(endpoint=endpoint, worker=watched.worker.address))
        environment = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
        with command(tmp_path / "log", environment, "gateway", "--config", str(file)) as gateway:
            trace, headers = traced(9)
            body = {"model": "tiny", "messages": [{"role": "user", "content": "a rare word"}]}
            url = gateway.address + CHAT
            assert requests.post(url, json=body, headers=headers, timeout=60).ok
            spans = collected.wait(trace, REQUEST, "chat tiny")
    assert "a rare word" in only(spans, "chat tiny").attributes["gen_ai.input.messages"]


@pytest.mark.parametrize("answers", [None, False], ids=["gone", "silent"])
def test_a_collector_that_does_not_answer_holds_nobody_up(
    small_model: Path, tmp_path: Path, answers: bool | None
) -> None:
    # Room for three spans, so that a few requests fill it.
    environment = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1"}
    with http_collector(answers=False) as (endpoint, _):
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = (
            "http://127.0.0.1:9" if answers is None else endpoint
        )
        environment["OTEL_BSP_MAX_QUEUE_SIZE"] = "3"
        with mesh(tmp_path, small_model, environment) as started:
            for _ in range(5):
                assert started.chat("hello", max_tokens=2).status_code == 200
            deadline = time.monotonic() + 60
            while True:
                families = started.scrape()
                dropped = [
                    families[f"rostra_{who}_trace_spans_dropped"].samples[0].value
                    for who in ("gateway", "worker")
                ]
                if min(dropped) > 0:
                    break
                assert time.monotonic() < deadline, dropped
                time.sleep(0.1)
            pids = (started.gateway.pid, started.worker.pid)
            stopping = time.monotonic()
        # Three seconds for the last spans of each, and the rest for a busy machine.
        assert time.monotonic() - stopping < 40
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_nothing_is_imported_where_nothing_is_traced(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = (
        "import sys\n"
        "from rostra.mesh.cli.tracing import TracingSettings, traced\n"
        "import rostra.gateway.server, rostra.mesh.worker.server\n"
        "with traced('x', TracingSettings()) as tracing: assert tracing is None\n"
        "found = [name for name in sys.modules if name.startswith('opentelemetry')]\n"
        "assert not found, found\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL")}
    subprocess.run([sys.executable, "-P", "-c", program], check=True, env=environment)
