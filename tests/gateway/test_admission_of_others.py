"""Embedding workers and other servers stand behind the same queue as workers that write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, eventually, gateway_before
from members_harness import DONE, STOP, USAGE, ScriptedServer, chunk, gateway_with, member, streams

from rostra.gateway.keys import ADMISSION
from rostra.v1 import control_pb2, inference_pb2, tokens_pb2


class SeatedEmbedder(ScriptedWorker):
    """Makes vectors for one request at a time, when it is let."""

    def __init__(self) -> None:
        super().__init__(self._held)
        self.model.embedding_size = 1
        self.may_answer = asyncio.Semaphore(0)
        self.order: list[str] = []

    async def GetLoad(self, request: Any, context: Any) -> Any:
        return control_pb2.GetLoadResponse(
            running_requests=min(self.running, 1),
            waiting_requests=max(0, self.running - 1),
            max_running_requests=1,
        )

    async def _held(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.order.append(request.inputs[0].text)
        await self.may_answer.acquire()
        vector = inference_pb2.Embedding(values=[1.0])
        yield inference_pb2.EmbedResponse(
            embeddings=[vector] * len(request.inputs), usage=tokens_pb2.Usage(prompt_tokens=1)
        )


class HeldServer(ScriptedServer):
    """Another server that answers when it is let, and tells in which order it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Semaphore(0)
        self.order: list[str] = []
        answer = streams(chunk({"content": "Hello"}), STOP, USAGE, DONE)

        async def held(request: web.Request) -> web.StreamResponse:
            self.order.append(self.bodies[-1]["messages"][0]["content"])
            await self.may_answer.acquire()
            return await answer(request)

        self.chat = held


def ask(client: TestClient, text: str, **body: Any) -> asyncio.Task[tuple[int, str]]:
    return _ask(client, "/v1/embeddings", {"model": "tiny", "input": text, **body})


def chat(client: TestClient, text: str, **body: Any) -> asyncio.Task[tuple[int, str]]:
    messages = [{"role": "user", "content": text}]
    return _ask(client, "/v1/chat/completions", {"model": "far", "messages": messages, **body})


def _ask(client: TestClient, url: str, body: dict[str, Any]) -> asyncio.Task[tuple[int, str]]:
    """The status, and the code of an error."""

    async def answered() -> tuple[int, str]:
        headers = {name: body.pop(name) for name in ("x-request-timeout",) if name in body}
        answer = await client.post(url, json=body, headers=headers)
        return answer.status, (await answer.json()).get("error", {}).get("code", "")

    return asyncio.create_task(answered())


async def queued(client: TestClient, model: str, number: int) -> None:
    assert client.app is not None
    admission = client.app[ADMISSION]
    await eventually(lambda: admission.waiting().get(model, 0) == number)


async def test_vectors_wait_for_their_turn_in_order_of_priority() -> None:
    admission = {"worker_backlog": 0, "queue_size": 2}
    async with (
        SeatedEmbedder() as worker,
        gateway_before([worker.address], admission=admission, load_timeout=10.0) as client,
    ):
        first = ask(client, "first")
        await eventually(lambda: worker.order == ["first"])
        late = ask(client, "late", priority=7)
        await queued(client, "tiny", 1)
        compared = {"model": "tiny", "text_1": "soon", "text_2": "b", "priority": -1}
        soon = _ask(client, "/v1/score", compared)
        await queued(client, "tiny", 2)
        assert await ask(client, "one too many", priority=9) == (429, "queue_full")
        worker.may_answer.release()
        await first
        worker.may_answer.release()
        worker.may_answer.release()
        assert (await soon)[0] == (await late)[0] == 200
        assert worker.order == ["first", "soon", "late"]


async def test_a_deadline_of_vectors_ends_their_wait() -> None:
    async with (
        SeatedEmbedder() as worker,
        gateway_before(
            [worker.address], admission={"worker_backlog": 0}, load_timeout=10.0
        ) as client,
    ):
        first = ask(client, "first")
        await eventually(lambda: worker.order == ["first"])
        timeout = {"x-request-timeout": "0.4"}
        assert await ask(client, "second", **timeout) == (504, "deadline_exceeded")
        assert worker.order == ["first"]
        worker.may_answer.release()
        assert (await first)[0] == 200


@pytest.fixture
async def server() -> HeldServer:
    return HeldServer()


async def test_another_servers_requests_wait_in_order_of_priority(server: HeldServer) -> None:
    admission = {"queue_size": 2}
    async with (
        server.serve() as url,
        gateway_with(member(url, max_concurrent=1), admission=admission) as client,
    ):
        first = chat(client, "first")
        await eventually(lambda: server.order == ["first"])
        late = chat(client, "late", priority=7)
        await queued(client, "far", 1)
        soon = chat(client, "soon", priority=-1)
        await queued(client, "far", 2)
        assert await chat(client, "one too many", priority=9) == (429, "queue_full")
        timeout = {"x-request-timeout": "0.4"}
        assert await chat(client, "no time", priority=-5, **timeout) == (504, "deadline_exceeded")
        for _ in range(3):
            server.may_answer.release()
        assert {(await task)[0] for task in (first, soon)} == {200}
        assert server.order[:2] == ["first", "soon"]
        # The one that was in a hurry has taken the place of the one that had time.
        assert await late == (429, "queue_full")


async def test_another_server_without_a_limit_gets_all_at_once(server: HeldServer) -> None:
    async with server.serve() as url, gateway_with(member(url)) as client:
        tasks = [chat(client, str(number)) for number in range(8)]
        await eventually(lambda: len(server.order) == 8)
        for _ in tasks:
            server.may_answer.release()
        assert {(await task)[0] for task in tasks} == {200}


async def test_a_full_worker_leaves_the_rest_to_a_server_without_a_share(
    server: HeldServer,
) -> None:
    admission = {"worker_backlog": 0}
    table = {"models": {"tiny": "tiny"}, "max_concurrent": 1}
    async with (
        SeatedEmbedder() as worker,
        server.serve() as url,
        gateway_with(
            member(url, **table), workers=(worker.address,), admission=admission, load_timeout=10.0
        ) as client,
    ):
        tasks = [ask(client, "here")]
        await eventually(lambda: worker.order == ["here"])
        tasks.append(_ask(client, "/v1/chat/completions", _hello("there")))
        await eventually(lambda: server.order == ["there"])
        tasks.append(ask(client, "waits"))
        await queued(client, "tiny", 1)
        server.may_answer.release()
        worker.may_answer.release()
        worker.may_answer.release()
        assert {(await task)[0] for task in tasks} == {200}
        assert worker.order == ["here", "waits"]


def _hello(text: str) -> dict[str, Any]:
    return {"model": "tiny", "messages": [{"role": "user", "content": text}]}
