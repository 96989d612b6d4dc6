"""The document of the API: true to the routes, to what validates requests, and to the answers."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker
from openapi_answers import Documented

from rostra.gateway.endpoints import ENDPOINTS
from rostra.gateway.openapi.document import openapi

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
PROMPT = {"model": "tiny", "prompt": "hi"}


@pytest.fixture
async def documented(client: TestClient) -> Documented:
    return Documented(await (await client.get("/openapi.json")).json())


async def test_it_is_openapi_3_1_and_has_every_route(
    client: TestClient, documented: Documented
) -> None:
    assert documented.document["openapi"] == "3.1.0"
    assert client.app is not None
    routed = {
        (route.method.lower(), re.sub(r":[^}]*}", "}", route.resource.canonical))
        for route in client.app.router.routes()
        if route.method != "HEAD" and route.resource is not None
    }
    described = {
        (method, path) for path, item in documented.document["paths"].items() for method in item
    }
    aliases = {
        (endpoint.method.lower(), alias) for endpoint in ENDPOINTS for alias in endpoint.aliases
    }
    assert described == routed - aliases
    for schema in documented.document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


async def test_every_reference_leads_somewhere(documented: Documented) -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, list):
            return [found for each in value for found in references(each)]
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [found for each in value.values() for found in references(each)]
        return []

    for reference in references(documented.document):
        assert documented.resolve(reference)


async def test_operations_are_told_apart(documented: Documented) -> None:
    names = [
        operation["operationId"]
        for item in documented.document["paths"].values()
        for operation in item.values()
    ]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", CHAT),
        ("/v1/chat/completions", CHAT | {"n": 2, "logprobs": True, "top_logprobs": 2}),
        ("/v1/chat/completions", CHAT | {"stream": True, "logprobs": True}),
        (
            "/v1/chat/completions",
            CHAT | {"stream": True, "stream_options": {"include_usage": True}},
        ),
        ("/v1/completions", PROMPT),
        ("/v1/completions", PROMPT | {"echo": True, "logprobs": 2, "n": 2}),
        ("/v1/completions", PROMPT | {"stream": True, "logprobs": 1}),
        ("/v1/chat/completions", CHAT | {"frobnicate": 1}),
        ("/v1/chat/completions", CHAT | {"model": "absent"}),
        ("/v1/completions", {}),
        ("/v1/embeddings", {"model": "tiny", "input": []}),
    ],
)
async def test_answers_are_as_documented(
    client: TestClient, documented: Documented, path: str, body: dict[str, Any]
) -> None:
    await documented.check("post", path, await client.post(path, json=body))


async def test_answers_without_a_body_are_as_documented(
    client: TestClient, documented: Documented
) -> None:
    for endpoint in ENDPOINTS:
        # Stored responses have tests of their own.
        if endpoint.method == "GET" and "{response_id}" not in endpoint.path:
            path = endpoint.public_path
            answer = await client.get(path.replace("{model}", "tiny"))
            assert answer.status == 200
            await documented.check("get", path, answer)
    await documented.check("get", "/v1/models/{model}", await client.get("/v1/models/absent"))


async def test_what_is_refused_says_so(documented: Documented) -> None:
    fields = documented.resolve("#/components/schemas/ChatCompletionRequest")["properties"]
    assert fields["audio"]["x-rostra-support"] == "refused"
    assert fields["prompt_cache_options"]["x-rostra-support"] == "hint"
    assert fields["store"]["enum"] == [None, False]


@pytest.mark.parametrize(
    "endpoint", [each for each in ENDPOINTS if each.request], ids=lambda each: each.path
)
def test_examples_are_valid(endpoint: Any) -> None:
    assert endpoint.request.model_validate(endpoint.example)
    document = openapi(ENDPOINTS, keyed=False)
    Documented(document).validate(endpoint.request.__name__, endpoint.example)


def test_keys_are_documented_where_they_are_needed() -> None:
    paths = openapi(ENDPOINTS, keyed=True)["paths"]
    assert paths["/health"]["get"]["security"] == []
    chat = paths["/v1/chat/completions"]["post"]
    assert chat["security"] == [{"bearer": []}, {"x-api-key": []}]
    assert {"401", "403"} <= chat["responses"].keys()
    assert {"401", "403"} <= paths["/v1/models"]["get"]["responses"].keys()
    assert "security" not in openapi(ENDPOINTS, keyed=False)["paths"]["/health"]["get"]


async def test_the_page_shows_every_operation_and_field(
    client: TestClient, documented: Documented
) -> None:
    page = await client.get("/docs")
    text = await page.text()
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert await (await client.get("/")).text() == text
    for endpoint in ENDPOINTS:
        assert f'id="{endpoint.handler.__name__}"' in text
        model = endpoint.request or endpoint.query
        for field in model.model_fields if model else ():
            assert f'<code class="name">{field}</code>' in text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)


async def test_a_worker_that_fails_is_documented(
    client: TestClient, worker: ScriptedWorker, documented: Documented
) -> None:
    async def broken(request: Any, context: Any) -> Any:
        yield {}["a worker's bug"]

    worker.script = broken
    answer = await client.post("/v1/chat/completions", json=CHAT)
    assert answer.status == 502
    await documented.check("post", "/v1/chat/completions", answer)
