"""Who of several is asked, how much is asked of a server, what it does not take, and what its
answers cost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, eventually, refuse
from grpc import StatusCode
from members_harness import (
    CHAT,
    DONE,
    HELLO,
    STOP,
    USAGE,
    ScriptedServer,
    answer_of,
    chunk,
    events_of,
    gateway_with,
    member,
    says,
    streams,
)
from prometheus_client.parser import text_string_to_metric_families
from test_gateway_fleet import Link, chosen, router_of

from rostra.gateway.keys import FLEET

TINY = {"models": {"tiny": "tiny"}}


@pytest.fixture
def server() -> ScriptedServer:
    return ScriptedServer()


@pytest.fixture
async def url(server: ScriptedServer) -> AsyncIterator[str]:
    async with server.serve() as url:
        yield url


async def test_workers_are_asked_first(
    server: ScriptedServer, url: str, worker: ScriptedWorker
) -> None:
    async with gateway_with(member(url, **TINY), workers=(worker.address,)) as client:
        for _ in range(10):
            assert (await answer_of(client, model="tiny"))[0] == 200
        assert (len(worker.requests), server.bodies) == (10, [])

        async def full(request: Any, context: Any) -> AsyncIterator[Any]:
            await refuse(context, StatusCode.RESOURCE_EXHAUSTED)
            yield

        worker.script = full
        assert (await answer_of(client, model="tiny"))[0] == 200
        assert (len(worker.requests), len(server.bodies)) == (11, 1)
        await worker.stop()
        await eventually(lambda: _serving(client) == ["other"])
        assert (await answer_of(client, model="tiny"))[0] == 200
        assert len(server.bodies) == 2


def test_shares() -> None:
    links = [
        *(Link(name, pending) for name, pending in (("a", 0), ("b", 0), ("c", 5))),
        Link("far", 9, share=1.0),
        Link("spare", 0, share=0.0),
    ]
    router = router_of(links, random.Random(5))
    counts: Counter[str] = Counter()
    for _ in range(6000):
        counts[chosen(router)] += 1
    assert abs(counts["far"] / 6000 - 1 / 4) < 0.02
    assert (counts["spare"], counts["c"]) == (0, 0)
    assert chosen(router, {"a", "b", "c", "far"}) == "spare"
    for link in links:
        link.room = 0.0
    assert chosen(router) == "spare", "nobody with a share has room"


async def test_requests_at_once(server: ScriptedServer, url: str) -> None:
    server.chat = streams(0.05, chunk({"content": "Hello"}), STOP, USAGE, DONE)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, server.running)
            await asyncio.sleep(0.001)

    watching = asyncio.create_task(watch())
    async with gateway_with(member(url, max_concurrent=2)) as client:
        answers = await asyncio.gather(*(answer_of(client) for _ in range(8)))
    watching.cancel()
    assert [status for status, _ in answers] == [200] * 8
    assert most == 2


async def test_nobody_waits_for_ever_for_a_place(server: ScriptedServer, url: str) -> None:
    server.chat = streams(60.0)
    admission = {"queue_timeout": 0.1}
    async with gateway_with(member(url, max_concurrent=1), admission=admission) as client:
        first = asyncio.create_task(answer_of(client))
        await eventually(lambda: server.running == 1)
        response = await client.post(CHAT, json=HELLO)
        assert (response.status, response.headers["Retry-After"]) == (429, "1")
        assert (await response.json())["error"]["code"] == "queue_timeout"
        first.cancel()


async def test_requests_a_minute(server: ScriptedServer, url: str) -> None:
    admission = {"queue_timeout": 2.0}
    async with gateway_with(member(url, requests_per_minute=3), admission=admission) as client:
        for _ in range(3):
            assert (await answer_of(client))[0] == 200
        response = await client.post(CHAT, json=HELLO)
        assert response.status == 429
        assert (await response.json())["error"]["code"] == "deadline_unreachable"
        assert 50 <= int(response.headers["Retry-After"]) <= 60
        assert len(server.bodies) == 3


@pytest.mark.parametrize(
    ("table", "field", "body"),
    [
        ({"tools": False}, "tools", {"tools": [{"type": "function", "function": {"name": "f"}}]}),
        ({"logprobs": False}, "top_logprobs", {"logprobs": True}),
        ({"response_formats": []}, "response_format", {"response_format": {"type": "json_object"}}),
        (
            {"response_formats": ["json_object"]},
            "response_format.json_schema.schema",
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": {"type": "object"}},
                }
            },
        ),
        ({"max_outputs": 2}, "n", {"n": 3}),
        ({}, "top_k", {"top_k": 3}),
        ({}, "min_p", {"min_p": 0.0}),
        ({}, "repetition_penalty", {"repetition_penalty": 1.0}),
        ({}, "stop_token_ids", {"stop_token_ids": [1]}),
        ({}, "ignore_eos", {"ignore_eos": True}),
        ({}, "min_tokens", {"min_tokens": 1}),
        ({}, "cache_salt", {"cache_salt": "x"}),
        ({}, "guided_regex", {"guided_regex": "a+"}),
        ({}, "chat_template_kwargs.x", {"chat_template_kwargs": {"x": 1}}),
        ({}, "add_generation_prompt", {"add_generation_prompt": False}),
        ({}, "continue_final_message", {"continue_final_message": True}),
        (
            {},
            "messages[0].reasoning_content",
            {"messages": [{"role": "assistant", "content": "a", "reasoning_content": "b"}]},
        ),
    ],
)
async def test_what_a_server_does_not_take(
    server: ScriptedServer,
    url: str,
    worker: ScriptedWorker,
    table: dict[str, Any],
    field: str,
    body: dict[str, Any],
) -> None:
    models = {"far": "tiny", "tiny": "tiny"}
    settings = member(url, **table, models=models, weight=1e9)
    async with gateway_with(settings, workers=(worker.address,)) as client:
        for stream in (False, True):
            status, told = await answer_of(client, **body, stream=stream)
            assert (status, told["error"]["param"]) == (400, field), told
            assert told["error"]["code"] == "unsupported_value"
        # Who takes it is asked instead, whatever the weights say.
        assert (await answer_of(client, **body, model="tiny"))[0] == 200
        assert server.bodies == []


async def test_what_asks_for_nothing_more_is_taken(server: ScriptedServer, url: str) -> None:
    harmless = {
        "add_generation_prompt": True,
        "continue_final_message": None,
        "ignore_eos": False,
        "min_tokens": 0,
        "priority": 3,
        "stop_token_ids": [],
        "response_format": {"type": "text"},
        "chat_template_kwargs": {},
        "user": "ann",
        "metadata": {"a": "b"},
    }
    async with gateway_with(member(url)) as client:
        assert (await answer_of(client, **harmless))[0] == 200
        (body,) = server.bodies
        harmless_there = {"ignore_eos", "min_tokens"}
        assert body.keys() - harmless_there == {"model", "messages"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tokenize", {"prompt": "a"}),
        ("/detokenize", {"tokens": [1]}),
        ("/v1/embeddings", {"input": "a"}),
        ("/v1/completions", {"prompt": [1, 2], "echo": True}),
        ("/v1/messages/count_tokens", {"messages": [{"role": "user", "content": "hi"}]}),
    ],
)
async def test_what_no_other_server_can(
    server: ScriptedServer, url: str, path: str, body: dict[str, Any]
) -> None:
    whole = {"choices": [{"index": 0, "text": "x", "finish_reason": "stop"}]}
    server.chat = says(200, whole)
    async with gateway_with(member(url)) as client:
        response = await client.post(path, json={"model": "far", **body})
        assert response.status == 400
        assert "unsupported_operation" in await response.text() or path.endswith("count_tokens")


async def test_what_the_limit_of_an_answer_is_called(server: ScriptedServer, url: str) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        async with gateway_with(member(url, max_tokens_field=name)) as client:
            await answer_of(client, max_tokens=7)
            assert server.bodies[-1][name] == 7


@pytest.mark.parametrize("stream", [False, True])
async def test_tokens_and_prices(server: ScriptedServer, url: str, stream: bool) -> None:
    prices = {"input": 1.0, "cached_input": 0.1, "output": 10.0}
    async with gateway_with(member(url, prices=prices)) as client:
        for _ in range(2):
            response = await client.post(CHAT, json={**HELLO, "stream": stream})
            assert (response.status, bool(await response.read())) == (200, True)
        found = await samples(client)
        labels = (("member", "other"), ("model", "far"))
        assert found["tokens_total", (("kind", "prompt"), *labels)] == 2000
        assert found["tokens_total", (("kind", "cached_prompt"), *labels)] == 1200
        assert found["tokens_total", (("kind", "completion"), *labels)] == 400
        # 400 at 1, 600 at 0.1 and 200 at 10, by the million, twice.
        assert found["cost_total", labels] == pytest.approx(2 * 0.00246)
        assert ("uncounted_answers_total", labels) not in found


async def test_answers_that_are_not_counted(server: ScriptedServer, url: str) -> None:
    server.chat = streams(chunk({"content": "Hello"}), STOP)
    async with gateway_with(member(url)) as client:
        events = await events_of(client, stream_options={"include_usage": True})
        assert events[-1]["usage"] is None
        status, answer = await answer_of(client)
        assert (status, answer["usage"]) == (200, None)
        response = await client.post("/v1/responses", json={"model": "far", "input": "hi"})
        assert (await response.json())["usage"] is None
        found = await samples(client)
        assert found["uncounted_answers_total", (("member", "other"), ("model", "far"))] == 3


async def test_a_mesh_of_servers_alone_says_what_is_there(url: str) -> None:
    async with gateway_with(member(url)) as client:
        assert (await client.get("/v1/models/far")).status == 200
        assert (await client.get("/v1/models/near")).status == 404
        assert (await answer_of(client, model="near"))[0] == 404


async def test_aliases(server: ScriptedServer, url: str) -> None:
    models = {"far": {"name": "tiny", "aliases": ["distant"], "max_model_len": 99}}
    async with gateway_with(member(url, models=models)) as client:
        status, answer = await answer_of(client, model="distant")
        assert (status, answer["model"]) == (200, "far")
        listed = await (await client.get("/v1/models/distant")).json()
        assert (listed["aliases"], listed["max_model_len"]) == (["distant"], 99)


async def samples(client: TestClient) -> dict[tuple[str, Any], float]:
    """Of members that are other servers, by name and labels."""
    text = await (await client.get("/metrics")).text()
    prefix = "rostra_gateway_member_"
    return {
        (one.name.removeprefix(prefix), tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if one.name.startswith(prefix)
    }


def _serving(client: Any) -> list[str]:
    return [link.address for link in client.app[FLEET] if link.serving]
