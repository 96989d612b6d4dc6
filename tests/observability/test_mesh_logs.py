"""The logs of real processes, as machines read them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import requests
from mesh_processes import CHAT, Mesh, command

from rostra.gateway.api_keys import new_key
from rostra.gateway.key_file import entry


def test_every_line_is_an_object_that_says_when_who_and_what(watched: Mesh) -> None:
    watched.chat("hello")
    for process, services in (
        (watched.gateway, {"gateway"}),
        (watched.worker, {"worker", "engine"}),
    ):
        lines = process.lines()
        assert {line["service"] for line in lines} == services
        for line in lines:
            assert datetime.fromisoformat(line["time"]).tzinfo is not None
            assert line["level"] in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
            assert line["logger"]
            assert line["instance"]
            assert isinstance(line["message"], str)


def test_one_request_has_the_same_ids_in_both_logs(watched: Mesh) -> None:
    trace = "1af7651916cd43dd8448eb211c80319c"
    headers = {"x-request-id": "found-again", "traceparent": f"00-{trace}-b7ad6b7169203331-00"}
    answer = watched.chat("a wish that is nobody's business", headers)
    said = watched.gateway.line(request_id="found-again", logger="rostra.gateway.access")
    done = watched.worker.line(request_id="found-again", logger="rostra.requests")
    assert said["trace_id"] == done["trace_id"] == trace
    assert (said["method"], said["route"], said["status"]) == ("POST", CHAT, 200)
    assert said["message"] == f"POST {CHAT} 200"
    assert (said["model"], said["workers"]) == ("tiny", [watched.worker.address])
    assert (done["model"], done["status"], done["method"]) == ("tiny", "OK", "Chat")
    assert done["call_id"] == answer.json()["id"]
    usage = answer.json()["usage"]
    for line in (said, done):
        assert line["prompt_tokens"] == usage["prompt_tokens"]
        assert line["completion_tokens"] == usage["completion_tokens"]
        assert 0 < line["first_token_seconds"] <= line["seconds"]
    for process in (watched.gateway, watched.worker):
        assert "nobody's business" not in process.log.read_text()


def test_what_else_is_logged_during_a_request_has_its_ids(watched: Mesh) -> None:
    """At DEBUG the gateway tells of each refusal of a worker."""
    environment = {"ROSTRA_LOG_LEVEL": "DEBUG"}
    log = watched.gateway.log.with_name("debug.log")
    options = ["--worker", watched.worker.address, "--port", "0", "--log-format", "json"]
    with command(log, environment, "gateway", *options) as gateway:
        body = {"model": "tiny", "messages": [{"role": "user", "content": "word " * 5000}]}
        headers = {"x-request-id": "too-long"}
        requests.post(gateway.address + CHAT, json=body, headers=headers, timeout=60)
        line = gateway.line(request_id="too-long", logger="rostra.gateway.call")
    assert "INVALID_ARGUMENT" in line["message"]
    assert line["level"] == "DEBUG"


def test_a_key_is_logged_by_its_name(watched: Mesh, tmp_path: Path) -> None:
    secret, key = new_key("laptop")
    (tmp_path / "keys.toml").write_text(entry(key))
    options = ["--worker", watched.worker.address, "--port", "0"]
    options += ["--api-keys", str(tmp_path / "keys.toml")]
    environment = {"ROSTRA_LOG_FORMAT": "json"}
    with command(tmp_path / "gateway.log", environment, "gateway", *options) as gateway:
        body = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
        for number, given in enumerate((secret, secret + "x")):
            headers = {"Authorization": f"Bearer {given}", "x-request-id": f"keyed-{number}"}
            requests.post(gateway.address + CHAT, json=body, headers=headers, timeout=60)
        assert gateway.line(request_id="keyed-0")["key"] == "laptop"
        refused = gateway.line(request_id="keyed-1")
    assert (refused["key"], refused["error"]) == (None, "invalid_api_key")
    assert secret not in (tmp_path / "gateway.log").read_text()


def test_what_stops_a_command_is_a_line_too(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    options = ["--model", str(tmp_path / "nothing"), "--log-format", "json"]
    try:
        with command(log, {"HF_ENDPOINT": "http://127.0.0.1:9"}, "worker", *options):
            raise RuntimeError("it started")
    except AssertionError:
        pass
    *_, last = [line for line in log.read_text().splitlines() if line]
    assert last.startswith('{"time":')
    assert '"level":"CRITICAL"' in last
