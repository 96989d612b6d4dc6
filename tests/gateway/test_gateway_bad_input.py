"""A client's mistakes: each is a 400 that names the field, and none reaches a worker."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from bad_requests import BOTH, CHAT, COMPLETIONS, USER
from gateway_harness import ScriptedWorker, gateway_before


@pytest.mark.parametrize(
    ("path", "base", "cases"),
    [
        ("chat/completions", {"model": "tiny", "messages": [USER]}, BOTH + CHAT),
        ("completions", {"model": "tiny", "prompt": "a"}, BOTH + COMPLETIONS),
    ],
    ids=["chat", "completions"],
)
async def test_each_mistake_is_named(
    client: TestClient, worker: ScriptedWorker, path: str, base: Any, cases: Any
) -> None:
    wrong = []
    for change, param, code in cases:
        response = await client.post(f"/v1/{path}", json={**base, **change})
        error = (await response.json()).get("error", {})
        found = (response.status, error.get("type"), error.get("param"), error.get("code"))
        expected = (400, "invalid_request_error", param, code or "missing_required_parameter")
        if found != expected or not error.get("message"):
            wrong.append((change, error))
    assert wrong == []
    assert worker.requests == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"[]", "invalid_json"),
        (b"null", "invalid_json"),
        (b'{"model": "\\ud800"}', "invalid_json"),
        (b'{"model": "\xff"}', "invalid_json"),
        (b'{"temperature": NaN}', "invalid_json"),
        (b"[" * 5000, "invalid_json"),
        (b"{}", "missing_required_parameter"),
    ],
)
async def test_bodies_that_are_no_request(client: TestClient, body: bytes, code: str) -> None:
    headers = {"Content-Type": "application/json"}
    response = await client.post("/v1/chat/completions", data=body, headers=headers)
    assert response.status == 400
    assert (await response.json())["error"]["code"] == code


async def test_a_body_that_is_not_what_its_encoding_says(client: TestClient) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = await client.post("/v1/chat/completions", data=b"plain", headers=headers)
    assert response.status == 400
    assert (await response.json())["error"]["code"] == "invalid_body"


async def test_an_unknown_expectation_is_refused(client: TestClient) -> None:
    response = await client.get("/v1/models", headers={"Expect": "wonders"})
    assert response.status == 417


async def test_the_envelope_is_everywhere(worker: ScriptedWorker) -> None:
    async with gateway_before([worker.address], max_body_bytes=1000) as client:
        await _check_envelopes(client)


async def _check_envelopes(client: TestClient) -> None:
    chat = "/v1/chat/completions"
    json = {"Content-Type": "application/json"}
    cases = [
        (await client.get("/nowhere"), 404, "unknown_url"),
        (await client.get(chat), 405, "method_not_allowed"),
        (await client.post(chat, data="a=b"), 415, "unsupported_media_type"),
        (await client.options(chat), 405, "method_not_allowed"),
        (await client.post(chat, data=b" " * 2000, headers=json), 413, "request_too_large"),
    ]
    for response, status, code in cases:
        assert response.status == status, code
        error = (await response.json())["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["code"] == code
        assert response.headers["x-request-id"]
    assert cases[1][0].headers["Allow"] == "POST"
