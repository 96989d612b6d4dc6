"""What Prometheus reads of real processes."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import requests
from mesh_processes import CHAT, Mesh
from prometheus_client import Metric

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def values(mesh: Mesh) -> Values:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in mesh.scrape().values()
        for sample in family.samples
    }


def total(found: Values, name: str, **labels: str) -> float:
    """Of all series of a name that have these labels."""
    return sum(
        value
        for (series, pairs), value in found.items()
        if series == name and labels.items() <= dict(pairs).items()
    )


def eventually(mesh: Mesh, condition: Callable[[Values], bool], timeout: float = 60.0) -> Values:
    """The first scrape of which it holds."""
    end = time.monotonic() + timeout
    while not condition(found := values(mesh)):
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return found


def test_probes_by_http(watched: Mesh) -> None:
    base = watched.worker_metrics.removesuffix("/metrics")
    for path, status in (("health", "alive"), ("ready", "ready")):
        answer = requests.get(f"{base}/{path}", timeout=10)
        assert (answer.status_code, answer.json()) == (200, {"status": status})


def test_what_a_worker_counts_of_a_request(watched: Mesh) -> None:
    before = values(watched)
    usage = watched.chat("the fox " * 20, max_tokens=30).json()["usage"]
    found = eventually(
        watched,
        lambda now: (
            total(now, "rostra_worker_e2e_request_latency_seconds_count", model="tiny")
            > total(before, "rostra_worker_e2e_request_latency_seconds_count", model="tiny")
        ),
    )

    def grew(name: str, **labels: str) -> float:
        name = f"rostra_worker_{name}"
        return total(found, name, **labels) - total(before, name, **labels)

    assert grew("requests_total", model="tiny", method="Chat", status="OK") == 1
    assert grew("finished_outputs_total", model="tiny", finish_reason="length") == 1
    for name in (
        *("time_to_first_token", "request_queue_time", "request_prefill_time"),
        *("request_decode_time", "e2e_request_latency"),
    ):
        assert grew(f"{name}_seconds_count", model="tiny") == 1, name
    # Tokens that wait for a busy server leave in one message.
    assert 1 <= grew("inter_token_latency_seconds_count", model="tiny") <= 29
    assert grew("generation_tokens_total") == usage["completion_tokens"] == 30
    assert grew("request_generation_tokens_sum") == 30
    assert grew("prompt_tokens_total") == grew("request_prompt_tokens_sum")
    assert grew("prompt_tokens_total") == usage["prompt_tokens"]
    assert grew("prefix_cache_queries_total") == usage["prompt_tokens"]
    # The phases are parts of the whole, and the decode is the time between its tokens.
    whole = grew("e2e_request_latency_seconds_sum")
    parts = [grew(f"request_{name}_time_seconds_sum") for name in ("queue", "prefill", "decode")]
    assert all(part >= 0 for part in parts)
    assert 0 < sum(parts) <= whole
    steps = grew("step_duration_seconds_count")
    assert 2 <= steps <= 40
    assert grew("step_requests_sum") == steps
    assert grew("step_tokens_sum") >= usage["prompt_tokens"] + 29


def test_a_prefix_that_is_cached_is_a_hit(watched: Mesh) -> None:
    watched.chat("a prefix that two requests share " * 10, max_tokens=2)
    before = values(watched)
    watched.chat("a prefix that two requests share " * 10, max_tokens=2)
    hits = "rostra_worker_prefix_cache_hits_total"
    found = eventually(watched, lambda now: total(now, hits) > total(before, hits))
    assert total(found, hits) - total(before, hits) >= 64


def test_guesses_are_counted_and_told_by_the_gateway_too(watched: Mesh) -> None:
    # Always the same token, so that guesses by earlier tokens are right.
    watched.chat("fox fox fox", max_tokens=100, temperature=0, logit_bias={"50": 100})
    found = eventually(
        watched, lambda now: total(now, "rostra_gateway_worker_draft_tokens_total") > 0
    )
    drafts = total(found, "rostra_worker_spec_decode_draft_tokens_total")
    accepted = total(found, "rostra_worker_spec_decode_accepted_tokens_total")
    assert 0 < accepted <= drafts
    eventually(
        watched,
        lambda now: (
            total(now, "rostra_gateway_worker_draft_tokens_total") == drafts
            and total(now, "rostra_gateway_worker_accepted_draft_tokens_total") == accepted
        ),
    )


def test_failures_by_reason(watched: Mesh) -> None:
    before = values(watched)
    watched.chat("word " * 5000)
    watched.chat("hi", model="x" * 200)
    watched.chat("hi", n=0)
    requests.get(f"{watched.gateway.address}/no/such/path", timeout=60)
    errors = "rostra_gateway_errors_total"
    found = eventually(watched, lambda now: total(now, errors) - total(before, errors) == 4)
    for reason in ("context_length_exceeded", "model_not_found", "invalid_value"):
        labels = {"route": CHAT, "reason": reason}
        assert total(found, errors, **labels) > total(before, errors, **labels), reason
    assert total(found, errors, route="unrouted", reason="unknown_url") > 0
    refused = {"model": "tiny", "method": "Chat", "reason": "context_length_exceeded"}
    assert total(found, "rostra_worker_errors_total", **refused) >= 1


def test_nothing_that_a_client_makes_up_becomes_a_label(watched: Mesh) -> None:
    watched.chat("hi", model="made-up-model")
    requests.get(f"{watched.gateway.address}/made/up/path", timeout=60)
    requests.request("MADEUP", watched.gateway.address + CHAT, timeout=60)
    watched.chat("hi", headers={"Authorization": "Bearer made-up-key"})
    texts = [
        requests.get(url, timeout=60).text
        for url in (watched.gateway.address + "/metrics", watched.worker_metrics)
    ]
    assert not re.search("made.up", "".join(texts), re.IGNORECASE)


def test_gauges_and_processes(watched: Mesh) -> None:
    found = eventually(
        watched,
        lambda now: (
            total(now, "rostra_worker_num_requests_running") == 0
            and total(now, "rostra_gateway_requests_in_flight", route=CHAT) == 0
        ),
    )
    assert total(found, "rostra_worker_up") == 1
    assert total(found, "rostra_worker_draining") == 0
    assert total(found, "rostra_gateway_members", state="serving") == 1
    assert total(found, "rostra_gateway_requests_waiting") == 0
    assert total(found, "rostra_gateway_connections") >= 1
    assert total(found, "rostra_gateway_connections_accepted_total") >= 1
    assert 0 <= total(found, "rostra_worker_kv_cache_usage_ratio") <= 1
    assert total(found, "rostra_worker_kv_blocks") > 0
    assert total(found, "rostra_worker_engine_process_resident_memory_bytes") > 10**7
    # Both have process_..., and the later of the two is the worker's.
    if psutil.LINUX:
        assert total(found, "process_resident_memory_bytes") > 10**7


def test_only_metrics_are_served_there(watched: Mesh) -> None:
    base = watched.worker_metrics.removesuffix("/metrics")
    assert requests.get(base + "/", timeout=60).status_code == 404
    assert requests.post(base + "/metrics", timeout=60).status_code == 405


def test_metrics_without_a_port_are_no_start(watched: Mesh, small_model: Path) -> None:
    address = watched.worker_metrics.removeprefix("http://").removesuffix("/metrics")
    for given, said in ((address, "--metrics"), ("nowhere", "no address")):
        command = ["worker", "--model", str(small_model), "--metrics", given, "--num-threads", "1"]
        done = subprocess.run(
            [sys.executable, "-P", "-m", "rostra.mesh.cli.main", *command],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 2
        assert said in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr


def test_names_and_help_are_as_prometheus_wants_them(watched: Mesh) -> None:
    families: dict[str, Metric] = watched.scrape()
    own = {name: family for name, family in families.items() if name.startswith("rostra_")}
    assert len(own) > 60
    for name, family in own.items():
        assert re.fullmatch(r"rostra_(gateway|worker)_[a-z0-9_]+", name)
        assert family.documentation.endswith("."), name
        assert family.type in ("counter", "gauge", "histogram"), name
        if name.endswith(("_time", "_latency", "_duration")):
            raise AssertionError(f"{name} has no unit")
