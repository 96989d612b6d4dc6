"""Keys of callers: who may ask, for which models, and what is said and kept of it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import orjson
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, gateway_before
from openapi_answers import Documented

from rostra.gateway.api_keys import ApiKeys, new_key
from rostra.gateway.errors import GatewayError
from rostra.gateway.key_file import entry
from rostra.v1 import control_pb2

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
EVERY, EVERY_KEY = new_key("everything")
TINY, TINY_KEY = new_key("just-tiny", ["tiny"])
OTHER, OTHER_KEY = new_key("other@example", ["some/other", "third"])
OPERATOR, OPERATOR_KEY = new_key("operator", scopes=("operate",))
KEYS = (EVERY_KEY, TINY_KEY, OTHER_KEY, OPERATOR_KEY)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    path.write_text("\n".join(entry(key) for key in KEYS))
    return path


@pytest.fixture
async def keyed(worker: ScriptedWorker, key_file: Path) -> AsyncIterator[TestClient]:
    worker.adapters = [control_pb2.ModelInfo(name="some/other", max_model_len=8)]
    async with gateway_before([worker.address], api_keys=key_file) as client:
        yield client


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("rk-wrong"),
        bearer(EVERY[:-1]),
        bearer(EVERY_KEY.sha256),
        {"Authorization": f"Basic {EVERY}"},
        {"Authorization": EVERY},
        {"x-api-key": "rk-wrong"},
        {"Authorization": "Bearer \udcff\udcfe"},
    ],
)
async def test_nobody_without_a_known_key(
    keyed: TestClient, worker: ScriptedWorker, headers: dict[str, str]
) -> None:
    documented = Documented(await (await keyed.get("/openapi.json")).json())
    answer = await keyed.post("/v1/chat/completions", json=CHAT, headers=headers)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    error = (await answer.json())["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    await documented.check("post", "/v1/chat/completions", answer)
    assert (await keyed.get("/v1/models", headers=headers)).status == 401
    assert (await keyed.get("/v1/absent", headers=headers)).status == 401
    assert worker.requests == []


@pytest.mark.parametrize("headers", [bearer(EVERY), {"x-api-key": EVERY}, bearer(TINY)])
async def test_a_known_key_may(keyed: TestClient, headers: dict[str, str]) -> None:
    answer = await keyed.post("/v1/chat/completions", json=CHAT, headers=headers)
    assert answer.status == 200


async def test_other_headers_do_not_get_in_the_way(keyed: TestClient) -> None:
    headers = {"Authorization": "Basic x", "x-api-key": EVERY}
    assert (await keyed.get("/v1/models", headers=headers)).status == 200
    headers = {"Authorization": f"bearer  {EVERY} ", "x-api-key": "unknown"}
    assert (await keyed.get("/v1/models", headers=headers)).status == 200


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/openapi.json", "/docs", "/"])
async def test_what_stays_open(keyed: TestClient, path: str) -> None:
    assert (await keyed.get(path)).status == 200


async def test_addresses_of_workers_are_not_for_everybody(
    keyed: TestClient, worker: ScriptedWorker
) -> None:
    documented = Documented(await (await keyed.get("/openapi.json")).json())
    for headers in ({}, bearer("rk-unknown"), bearer(OTHER), bearer(EVERY)):
        answer = await keyed.get("/ready", headers=headers)
        text = await answer.text()
        assert (answer.status, worker.address in text) == (200, False)
        assert (await answer.json())["status"] == "ready"
        await documented.check("get", "/ready", answer)
    answer = await keyed.get("/ready", headers=bearer(OPERATOR))
    assert (await answer.json())["workers"] == {worker.address: "serving"}


async def test_a_key_of_some_models(keyed: TestClient, worker: ScriptedWorker) -> None:
    documented = Documented(await (await keyed.get("/openapi.json")).json())
    for path, body in {
        "/v1/chat/completions": CHAT,
        "/v1/completions": {"model": "tiny-latest", "prompt": "hi"},
        "/v1/embeddings": {"model": "never-heard-of", "input": "hi"},
    }.items():
        answer = await keyed.post(path, json=body, headers=bearer(OTHER))
        assert answer.status == 403
        error = (await answer.json())["error"]
        assert (error["param"], error["code"]) == ("model", "model_not_allowed")
        await documented.check("post", path, answer)
    assert worker.requests == []
    assert (await keyed.get("/v1/models/tiny", headers=bearer(OTHER))).status == 403
    assert (await keyed.get("/v1/models/some/other", headers=bearer(OTHER))).status == 200
    assert (await keyed.get("/v1/models/third", headers=bearer(OTHER))).status == 404
    # By an alias, too, of a model that it may use.
    answer = await keyed.post(
        "/v1/chat/completions", json=CHAT | {"model": "tiny-latest"}, headers=bearer(TINY)
    )
    assert answer.status == 200


async def test_an_alias_that_two_workers_have_for_two_models(key_file: Path) -> None:
    async with ScriptedWorker() as one, ScriptedWorker(model="secret") as two:
        one.model.aliases.append("default")
        two.model.aliases.append("default")
        async with gateway_before([one.address, two.address], api_keys=key_file) as client:
            body = CHAT | {"model": "default"}
            answer = await client.post("/v1/chat/completions", json=body, headers=bearer(TINY))
            assert answer.status == 403


@pytest.mark.parametrize(
    ("secret", "names"),
    [(EVERY, ["some/other", "tiny"]), (TINY, ["tiny"]), (OTHER, ["some/other"])],
    ids=["every", "tiny", "other"],
)
async def test_models_are_those_the_key_may_use(
    keyed: TestClient, secret: str, names: list[str]
) -> None:
    listed = await (await keyed.get("/v1/models", headers=bearer(secret))).json()
    assert [model["id"] for model in listed["data"]] == names


async def test_browsers_may_ask_without_a_key(worker: ScriptedWorker, key_file: Path) -> None:
    async with gateway_before(
        [worker.address], api_keys=key_file, cors_allowed_origins=("https://pages.example",)
    ) as client:
        headers = {"Origin": "https://pages.example", "Access-Control-Request-Method": "POST"}
        assert (await client.options("/v1/chat/completions", headers=headers)).status == 204


async def test_the_log_names_the_key_and_never_says_it(
    keyed: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await keyed.post("/v1/chat/completions", json=CHAT, headers=bearer(TINY))
        await keyed.post("/v1/chat/completions", json=CHAT, headers=bearer("rk-unknown"))
    records = [
        orjson.loads(record.message)
        for record in caplog.records
        if record.name == "rostra.gateway.access"
    ]
    assert [(record["key"], record["status"]) for record in records] == [
        ("just-tiny", 200),
        (None, 401),
    ]
    for secret in (TINY, "rk-unknown", TINY_KEY.sha256):
        assert secret not in caplog.text


async def test_clients_understand(keyed: TestClient) -> None:
    url = str(keyed.make_url("/v1"))
    async with openai.AsyncOpenAI(base_url=url, api_key=TINY, max_retries=0) as client:
        assert [model.id async for model in client.models.list()] == ["tiny"]
        with pytest.raises(openai.PermissionDeniedError):
            await client.models.retrieve("some%2Fother")
    async with openai.AsyncOpenAI(base_url=url, api_key="no", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()
    for secret, expected in ((OTHER, "permission_error"), ("no", "authentication_error")):
        async with anthropic.AsyncAnthropic(
            base_url=str(keyed.make_url("/")), api_key=secret, max_retries=0
        ) as messages:
            with pytest.raises(anthropic.APIStatusError) as caught:
                await messages.messages.create(**CHAT, max_tokens=4)
            body: Any = caught.value.body
            assert body["error"]["type"] == expected


def test_secrets_are_not_stored() -> None:
    secret, key = new_key("a", ["m"])
    assert secret not in entry(key)
    assert key.sha256 == hashlib.sha256(secret.encode()).hexdigest()
    assert new_key("a")[0] != new_key("a")[0]


GOOD = entry(EVERY_KEY)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[key]", "not valid TOML"),
        ('[[key]]\nname = "a"\n', "key.0.sha256"),
        (GOOD + 'expires = "2030-01-01"\n', "key.0.expires"),
        (GOOD + "models = []\n", "key.0.models"),
        pytest.param(GOOD.replace(EVERY_KEY.sha256, EVERY), "key.0.sha256", id="a secret"),
        (GOOD.replace("everything", "two words"), "key.0.name"),
        (GOOD + GOOD, "two have the name 'everything'"),
        (GOOD + GOOD.replace("everything", "b"), "two have the sha256"),
        ("keys = []", "keys"),
    ],
)
def test_a_file_that_is_wrong(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(GatewayError) as caught:
        ApiKeys.read(path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert EVERY not in str(caught.value)
    with pytest.raises(GatewayError, match="cannot read"):
        ApiKeys.read(tmp_path / "absent.toml")
