"""Routes and outputs for operators and browsers: health, metrics, models, the log, CORS."""

from __future__ import annotations

import asyncio
import logging

import orjson
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, any_serving, eventually, gateway_before
from prometheus_client.parser import text_string_to_metric_families

CHAT = "/v1/chat/completions"
HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
ORIGIN = "https://pages.example"


async def samples(client: TestClient) -> dict[tuple[str, tuple[str, ...]], float]:
    text = await (await client.get("/metrics")).text()
    return {
        (sample.name.removeprefix("rostra_gateway_"), tuple(sorted(sample.labels.values()))): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_alive_without_workers_but_not_ready() -> None:
    async with gateway_before(["127.0.0.1:1"], ready=False) as client:
        assert (await client.get("/health")).status == 200
        ready = await client.get("/ready")
        assert ready.status == 503
        assert ready.headers["Retry-After"]
        assert (await client.get("/v1/models/tiny")).status == 503
        assert (await samples(client))["worker_up", ("127.0.0.1:1",)] == 0


async def test_ready_and_models(client: TestClient, worker: ScriptedWorker) -> None:
    ready = await client.get("/ready")
    assert ready.status == 200
    assert (await ready.json())["workers"] == {worker.address: "serving"}
    listed = await (await client.get("/v1/models")).json()
    assert listed["object"] == "list"
    (model,) = listed["data"]
    assert (model["id"], model["object"], model["owned_by"]) == ("tiny", "model", "rostra")
    assert (model["aliases"], model["max_model_len"]) == (["tiny-latest"], 128)
    assert await (await client.get("/v1/models/tiny")).json() == model
    assert await (await client.get("/v1/models/tiny-latest")).json() == model
    missing = await client.get("/v1/models/some/other")
    assert missing.status == 404
    assert (await missing.json())["error"]["code"] == "model_not_found"


async def test_metrics(client: TestClient, worker: ScriptedWorker) -> None:
    worker.load.running_requests = 4
    await client.post(CHAT, json={**HELLO, "stream": True})
    await client.post(CHAT, json=HELLO)
    await client.post(CHAT, json={**HELLO, "model": "x" * 200})
    await client.post("/v1/completions", json={"model": "tiny", "prompt": ["a", "b"]})
    await client.get("/no/such/route")
    async with asyncio.timeout(10):
        # Counted after the answer has gone, and told by the worker at intervals.
        while (found := await samples(client)).get(
            ("request_duration_seconds_count", (CHAT,))
        ) != 3 or found["worker_running_requests", (worker.address,)] != 4:
            await asyncio.sleep(0.01)
    assert found["requests_total", (CHAT, "200", "tiny")] == 2
    # Nothing that a client makes up becomes a label.
    assert found["requests_total", ("", CHAT, "404")] == 1
    assert found["requests_total", ("", "404", "unrouted")] == 1
    assert found["prompt_tokens_total", ("tiny",)] == 12
    assert found["completion_tokens_total", ("tiny",)] == 8
    assert found["time_to_first_token_seconds_count", ("tiny",)] == 4
    assert found["inter_token_latency_seconds_count", ("tiny",)] == 8
    assert found["requests_in_flight", (CHAT,)] == 0
    assert found["worker_up", (worker.address,)] == 1
    await worker.stop()
    await eventually(lambda: not any_serving(client))
    assert (await samples(client))["worker_up", (worker.address,)] == 0


async def test_the_log_line(
    client: TestClient, worker: ScriptedWorker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rostra.gateway.access")
    await client.post(CHAT, json=HELLO, headers={"x-request-id": "mine"})
    await client.post(CHAT, json={**HELLO, "n": 0})
    await client.get("/health")
    first, second = [
        orjson.loads(record.message)
        for record in caplog.records
        if record.name == "rostra.gateway.access"
    ]
    assert (first["request_id"], first["status"], first["route"]) == ("mine", 200, CHAT)
    assert (first["model"], first["workers"]) == ("tiny", [worker.address])
    assert (first["prompt_tokens"], first["completion_tokens"]) == (3, 2)
    assert 0 < first["first_token_seconds"] <= first["seconds"]
    assert (second["status"], second["error"], second["workers"]) == (400, "invalid_value", [])


async def test_odd_paths_are_logged_too(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rostra.gateway.access")
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"GET /%ff%fe%00%0a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    status = await reader.readline()
    await reader.read()
    writer.close()
    assert b" 404 " in status
    assert "\n" not in caplog.records[-1].message


async def test_other_origins_are_not_allowed_by_default(client: TestClient) -> None:
    answer = await client.post(CHAT, json=HELLO, headers={"Origin": ORIGIN})
    assert "Access-Control-Allow-Origin" not in answer.headers
    asks = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    assert (await client.options(CHAT, headers=asks)).status == 405


@pytest.mark.parametrize(("allowed", "given"), [(ORIGIN, True), ("*", True), ("https://x", False)])
async def test_allowed_origins(worker: ScriptedWorker, allowed: str, given: bool) -> None:
    async with gateway_before([worker.address], cors_allowed_origins=(allowed,)) as client:
        asks = {
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        preflight = await client.options(CHAT, headers=asks)
        assert preflight.status == (204 if given else 405)
        for body in [{**HELLO, "stream": True}, HELLO, {}]:
            answer = await client.post(CHAT, json=body, headers={"Origin": ORIGIN})
            origin = answer.headers.get("Access-Control-Allow-Origin")
            assert origin == (ORIGIN if given else None)
            assert answer.headers["Vary"] == "Origin"
