"""Another server that is slow, broken, full, wrong or away: what clients are told, who answers
instead, and when it is asked again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from gateway_harness import ScriptedWorker, any_serving, eventually
from members_harness import (
    CHAT,
    DONE,
    HELLO,
    STOP,
    USAGE,
    ScriptedServer,
    answer_of,
    chunk,
    event,
    events_of,
    gateway_with,
    member,
    says,
    streams,
)

from rostra.gateway.keys import DISPATCHER, FLEET

KEY = "sk-very-secret"
HELLO_CHUNK = chunk({"content": "Hello"})
ONCE = {"max_attempts": 1}
AT_ONCE = {"breaker_min_calls": 1}


@pytest.fixture
def server() -> ScriptedServer:
    return ScriptedServer()


@pytest.fixture
async def url(server: ScriptedServer) -> AsyncIterator[str]:
    async with server.serve() as url:
        yield url


def error(**fields: Any) -> dict[str, Any]:
    return {"error": {"message": "no", "type": "x", "param": None, "code": None, **fields}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("handler", "status", "param", "code"),
    [
        (says(400, error(param="temperature")), 400, "temperature", "invalid_value"),
        (says(422, error(param="tools[9].function")), 400, "tools", "invalid_value"),
        (says(400, {"message": "plain"}), 400, None, "invalid_value"),
        (
            says(400, error(code="context_length_exceeded")),
            400,
            "messages",
            "context_length_exceeded",
        ),
        (says(404, b"<html>"), 400, None, "unsupported_operation"),
        (says(404, error(code="model_not_found")), 503, None, "no_worker_available"),
        (says(401, error()), 503, None, "no_worker_available"),
        (says(302, b"", Location="/elsewhere"), 503, None, "no_worker_available"),
        (says(429, error(), **{"Retry-After": "7"}), 429, None, "queue_full"),
        (says(500, b"oops"), 503, None, "no_worker_available"),
        (says(200, b"<html>"), 502, None, "worker_error"),
        (says(200, {"choices": [{"index": 5}]}), 502, None, "worker_error"),
        (streams(HELLO_CHUNK, end=False), 503, None, "no_worker_available"),
        (streams(), 503, None, "no_worker_available"),
        (streams(DONE), 503, None, "no_worker_available"),
        (streams(event(error(type="overloaded_error"))), 503, None, "no_worker_available"),
        (
            streams(event(error(type="invalid_request_error", param="stop"))),
            400,
            "stop",
            "invalid_value",
        ),
    ],
)
async def test_what_a_client_is_told(
    server: ScriptedServer,
    url: str,
    handler: Any,
    status: int,
    param: str | None,
    code: str,
    stream: bool,
) -> None:
    server.chat = handler
    async with gateway_with(member(url), **ONCE) as client:
        response = await client.post(CHAT, json={**HELLO, "stream": stream})
        body = await response.text()
        if response.status == 200:
            # It had begun.
            assert '"Hello"' in body
            assert code in body
            assert "[DONE]" not in body
            return
        told = (await response.json())["error"]
        assert (response.status, told["param"], told["code"]) == (status, param, code)
        if status == 429:
            assert response.headers["Retry-After"] == "7"
        assert url.removeprefix("http://").removesuffix("/v1") not in body


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: {\n\n",
        b"data: []\n\n",
        event({"choices": [{"index": 0, "delta": {"content": 5}}]}),
        chunk({"content": "more"}, index=1),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        chunk(finish_reason="because"),
        STOP + chunk({"content": "more"}),
        b"data: " + b"x" * (17 * 2**20),
    ],
)
async def test_garbage_in_a_stream(server: ScriptedServer, url: str, garbage: bytes) -> None:
    server.chat = streams(HELLO_CHUNK, garbage, STOP, USAGE, DONE)
    async with gateway_with(member(url)) as client:
        *_, last = await events_of(client)
        assert last["error"]["code"] == "worker_error"
        # Nothing is repeated that has begun.
        assert len(server.bodies) == 1


async def test_a_key_is_sent_and_never_told(
    server: ScriptedServer, url: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OTHER_KEY", KEY)
    host = url.removeprefix("http://").removesuffix("/v1")
    async with gateway_with(member(url, key_env="OTHER_KEY"), **ONCE) as client:
        await answer_of(client)
        assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
        server.chat = says(400, error(message=f"bad key {KEY} at {url} on {host}"))
        status, told = await answer_of(client)
        assert (status, told["error"]["message"]) == (400, "bad key ... at ... on ...")
        server.chat = says(401, error(message=f"bad key {KEY}"))
        _, told = await answer_of(client)
        assert KEY not in str(told)
        (seen,) = (await (await client.get("/mesh/members")).json())["members"]
        assert seen["warnings"][0].endswith("failed: it refuses this gateway's key (HTTP 401)")
    assert KEY not in caplog.text


async def test_another_answers_where_nothing_was_sent(
    server: ScriptedServer, url: str, worker: ScriptedWorker
) -> None:
    """A role has come, and no text: so it is as good as nothing."""
    server.chat = streams(chunk({"role": "assistant", "content": ""}), end=False)
    models = {"tiny": "tiny"}
    async with gateway_with(
        member(url, models=models, weight=1e9), workers=(worker.address,)
    ) as client:
        status, answer = await answer_of(client, model="tiny")
        assert (status, answer["choices"][0]["message"]["content"]) == (200, "Hello world")
        events = await events_of(client, model="tiny")
        assert "".join(one["choices"][0]["delta"].get("content") or "" for one in events) == (
            "Hello world"
        )
        assert len(server.bodies) == 2


async def test_a_slow_first_byte(server: ScriptedServer, url: str) -> None:
    server.chat = streams(60.0)
    async with gateway_with(member(url, first_byte_timeout=0.1), **ONCE) as client:
        response = await client.post(CHAT, json={**HELLO, "stream": True})
        assert response.status == 503
        await eventually(lambda: server.running == 0)


async def test_a_stream_that_stands_still(server: ScriptedServer, url: str) -> None:
    server.chat = streams(HELLO_CHUNK, 60.0)
    async with gateway_with(member(url, idle_timeout=0.1)) as client:
        *_, last = await events_of(client)
        assert last["error"]["code"] == "no_worker_available"
        await eventually(lambda: server.running == 0)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_deadline(server: ScriptedServer, url: str, stream: bool) -> None:
    server.chat = streams(60.0)
    async with gateway_with(member(url, timeout=0.1)) as client:
        response = await client.post(CHAT, json={**HELLO, "stream": stream})
        assert response.status == 504
        await eventually(lambda: server.running == 0)


async def test_the_gateways_own_deadline_is_not_the_servers_fault(
    server: ScriptedServer, url: str
) -> None:
    server.chat = streams(60.0)
    async with gateway_with(member(url), request_timeout=0.2, failover=AT_ONCE) as client:
        assert (await answer_of(client))[0] == 504
        assert client.app[FLEET].members[0].breaker.state == "closed"


async def test_failures_open_its_breaker_and_a_try_closes_it(
    server: ScriptedServer, url: str
) -> None:
    server.chat = says(500)
    failover = {"breaker_min_calls": 2, "breaker_pause": 0.5}
    patient = {**ONCE, "worker_wait": 30.0}
    async with gateway_with(member(url), failover=failover, **patient) as client:
        (link,) = client.app[FLEET].members
        await answer_of(client)
        assert link.breaker.state == "closed"
        await answer_of(client)
        assert link.breaker.state == "open"
        told = await (await client.get("/mesh/members")).json()
        assert told["members"][0]["warnings"] == [
            "it is left alone for a while, as its calls failed: it answers with HTTP 500"
        ]
        # It still lists its models, so it is there, and tried by one request.
        server.chat = streams(HELLO_CHUNK, STOP, USAGE, DONE)
        assert (await answer_of(client))[0] == 200
        assert link.breaker.state == "closed"
        assert len(server.bodies) == 3


async def test_a_refused_key_opens_its_breaker_at_once(server: ScriptedServer, url: str) -> None:
    server.chat = says(401)
    failover = {"breaker_pause": 60.0, "breaker_longest_pause": 60.0}
    async with gateway_with(member(url), failover=failover, **ONCE) as client:
        assert (await answer_of(client))[0] == 503
        assert (await answer_of(client))[0] == 503
        assert len(server.bodies) == 1


async def test_one_that_comes_back_starts_anew(server: ScriptedServer, url: str) -> None:
    server.chat = says(401)
    failover = {"breaker_pause": 60.0, "breaker_longest_pause": 60.0}
    async with gateway_with(member(url), failover=failover, **ONCE) as client:
        (link,) = client.app[FLEET].members
        await answer_of(client)
        assert link.breaker.state == "open"
        server.listing = says(500)
        await eventually(lambda: not any_serving(client))
        server.listing = server._list
        server.chat = streams(HELLO_CHUNK, STOP, USAGE, DONE)
        await eventually(lambda: any_serving(client))
        assert (await answer_of(client))[0] == 200


@pytest.mark.parametrize("status", [400, 404, 413, 422, 429])
async def test_mistakes_of_clients_never_count(
    server: ScriptedServer, url: str, status: int
) -> None:
    server.chat = says(status, error(), **{"Retry-After": "0"})
    async with gateway_with(member(url), failover=AT_ONCE, **ONCE) as client:
        for _ in range(3):
            assert 400 <= (await answer_of(client))[0] < 500
        assert client.app[FLEET].members[0].breaker.state == "closed"


async def test_a_model_that_is_not_there(
    server: ScriptedServer, url: str, worker: ScriptedWorker, caplog: Any
) -> None:
    server.models = ["another", "big"]
    async with gateway_with(member(url), workers=(worker.address,), ready=False) as client:
        reason = "it does not list the model 'tiny'"
        await eventually(lambda: _reason(client) == reason)
        # The mesh goes on.
        assert (await answer_of(client, model="tiny"))[0] == 200
        assert (await answer_of(client))[0] == 503
        assert server.bodies == []
        assert "member other lists another, big" in caplog.text
        assert f"member other is still out: {reason}" in caplog.text
        server.models.append("tiny")
        await eventually(lambda: _reason(client) == "")
        assert (await answer_of(client))[0] == 200


@pytest.mark.parametrize(
    ("listing", "reason"),
    [
        (says(200, b"<html>"), "its list of models is none"),
        (says(404, b""), "it does not list its models"),
        (says(403, b""), "it refuses this gateway's key (HTTP 403)"),
        (says(500, b""), "it answers with HTTP 500"),
    ],
)
async def test_a_list_that_is_none(
    server: ScriptedServer, url: str, listing: Any, reason: str
) -> None:
    server.listing = listing
    async with gateway_with(member(url), ready=False) as client:
        await eventually(lambda: _reason(client) == reason)
    async with gateway_with(member(url, probe=False)) as client:
        assert (await answer_of(client))[0] == 200


async def test_a_server_that_is_away(caplog: Any) -> None:
    server = ScriptedServer()
    async with server.serve() as url, gateway_with(member(url)) as client:
        assert (await answer_of(client))[0] == 200
    caplog.clear()
    async with gateway_with(member(url), ready=False) as client:
        await eventually(lambda: _reason(client) == "it cannot be reached: Connection refused")
        assert (await answer_of(client))[0] == 503


async def test_a_probe_goes_on_while_it_serves(server: ScriptedServer, url: str) -> None:
    async with gateway_with(member(url)) as client:
        seen = server.probes
        await eventually(lambda: server.probes > seen + 2)
        server.listing = says(500)
        await eventually(lambda: not any_serving(client))


async def test_a_server_that_is_full_is_left_alone(
    server: ScriptedServer, url: str, worker: ScriptedWorker
) -> None:
    server.chat = says(429, error(), **{"Retry-After": "60"})
    table = member(url, models={"tiny": "tiny"}, weight=1e9)
    async with gateway_with(table, workers=(worker.address,)) as client:
        for _ in range(3):
            assert (await answer_of(client, model="tiny"))[0] == 200
        assert len(server.bodies) == 1


async def test_retry_after_as_a_date(server: ScriptedServer, url: str) -> None:
    server.chat = says(429, error(), **{"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"})
    async with gateway_with(member(url)) as client:
        response = await client.post(CHAT, json=HELLO)
        assert (response.status, response.headers["Retry-After"]) == (429, "3600")


async def test_a_gateway_that_stops_ends_what_runs(server: ScriptedServer, url: str) -> None:
    server.chat = streams(HELLO_CHUNK, 60.0)
    async with gateway_with(member(url), drain_grace=0.1) as client:
        response = await client.post(CHAT, json={**HELLO, "stream": True})
        await response.content.readany()
        assert client.app is not None
        client.app[DISPATCHER].end_all()
        assert b"shutting_down" in await response.read()
        await eventually(lambda: server.running == 0)


async def test_official_clients_see_documented_errors(server: ScriptedServer, url: str) -> None:
    async with gateway_with(member(url), **ONCE) as client:
        base_url = str(client.make_url("/v1"))
        async with openai.AsyncOpenAI(base_url=base_url, api_key="x", max_retries=0) as official:
            ask = official.chat.completions.create
            messages: Any = HELLO["messages"]
            server.chat = says(429, error(), **{"Retry-After": "0"})
            with pytest.raises(openai.RateLimitError):
                await ask(model="far", messages=messages)
            await asyncio.sleep(0.15)
            server.chat = says(400, error(param="stop"))
            with pytest.raises(openai.BadRequestError) as refused:
                await ask(model="far", messages=messages, stream=True)
            assert refused.value.param == "stop"
            server.chat = says(200, {})
            with pytest.raises(openai.InternalServerError):
                await ask(model="far", messages=messages)


def _reason(client: Any) -> str:
    (link,) = client.app[FLEET].members
    return link.reason
