"""Bodies as large as they can be: each is answered, and the other streams go on meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp.test_utils import TestClient
from fuzz_harness import HELLO, JSON, check_envelope
from gateway_harness import ScriptedWorker, eventually, finish, gateway_before, says, usage

from rostra.v1 import chat_pb2

CHAT = "/v1/chat/completions"
HEAD = b'{"model":"tiny","messages":['


def chat(**fields: Any) -> bytes:
    return json.dumps({**HELLO, **fields}).encode()


PART, MESSAGE = b'{"type":"text","text":"a"}', b'{"role":"user","content":"a"}'
TOOLS = [{"type": "function", "function": {"name": f"f{one}"}} for one in range(10_000)]
SCHEMA = {"type": "object", "properties": {f"p{one}": {"$ref": "#"} for one in range(10_000)}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}

TAKEN = {
    "messages": HEAD + b",".join([MESSAGE] * 50_000) + b"]}",
    "parts": HEAD + b'{"role":"user","content":[' + b",".join([PART] * 50_000) + b"]}]}",
    "tools": chat(tools=TOOLS),
    "logit bias": chat(logit_bias={str(one): 1 for one in range(50_000)}),
    "text like JSON": chat(messages=[{"role": "user", "content": '{"a\\": [1]} ' * 250_000}]),
    "stop": chat(stop="a" * 1_000_000),
    "stop tokens": chat(stop_token_ids=list(range(100_000))),
    "schema": chat(response_format=FORMAT),
    "choices": chat(guided_choice=[f"a{one}" for one in range(100_000)]),
}
REFUSED = {
    "wrong messages": HEAD + b",".join([b"1"] * 4_000_000) + b"]}",
    "unknown fields": b"{" + b",".join(b'"%d":1' % one for one in range(300_000)) + b"}",
    "stops": chat(stop=["a"] * 1_000_000),
    "brackets": b"[" * 9_000_000,
    "quotes": b'{"model":"' + b'\\"' * 4_000_000,
    "token lists": b'{"model":"tiny","prompt":[' + b",".join([b"[1]"] * 1_900_000) + b"]}",
    "digits": HEAD + b'],"seed":' + b"9" * 9_000_000 + b"}",
}


class Running:
    """A stream of numbered words that goes on until it is told to end."""

    def __init__(self, client: TestClient) -> None:
        self.words: list[int] = []
        self.complete = False
        self.task = asyncio.create_task(self._read(client))

    async def _read(self, client: TestClient) -> None:
        response = await client.post(CHAT, json={**HELLO, "stream": True, "user": "streams"})
        async for line in response.content:
            if line.startswith(b"data: {"):
                for choice in orjson.loads(line[6:])["choices"]:
                    self.words += map(int, choice["delta"].get("content", "").split())
            self.complete = self.complete or line.startswith(b"data: [DONE]")


@asynccontextmanager
async def streams_running(worker: ScriptedWorker) -> AsyncIterator[tuple[TestClient, Any]]:
    """Three of them; at the end, they are held to what was sent."""
    ending = asyncio.Event()

    async def counts(request: Any, context: Any) -> AsyncIterator[Any]:
        yield chat_pb2.ChatResponse(request_id=request.request_id, prompt_tokens=3)
        number = 0
        while not ending.is_set():
            yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content=f"{number} "))
            number += 1
            await asyncio.sleep(0.01)
        yield chat_pb2.ChatResponse(finish=finish(), usage=usage())

    async with gateway_before([worker.address]) as client:
        worker.script = counts
        running = [Running(client) for _ in range(3)]
        await eventually(lambda: all(each.words for each in running))
        worker.script = says(["ok"])
        yield client, running
        ending.set()
        await asyncio.gather(*(each.task for each in running))
    for each in running:
        assert each.complete
        assert each.words == [*range(len(each.words))]


@pytest.mark.parametrize("name", [*TAKEN, *REFUSED])
async def test_streams_go_on_beside_a_large_body(worker: ScriptedWorker, name: str) -> None:
    body = TAKEN.get(name) or REFUSED[name]
    async with streams_running(worker) as (client, running):
        response = await client.post(CHAT, data=body, headers=JSON)
        answer = await response.read()
        if name in REFUSED:
            assert response.status == 400
            check_envelope(response.status, answer)
        else:
            assert response.status == 200, answer
        seen = [len(each.words) for each in running]
        await eventually(
            lambda: all(len(one.words) > before for one, before in zip(running, seen, strict=True))
        )


@pytest.mark.parametrize("name", ["messages", "parts", "tools"])
async def test_streams_move_while_a_large_body_is_read(worker: ScriptedWorker, name: str) -> None:
    async with streams_running(worker) as (client, running):
        asked = asyncio.create_task(client.post(CHAT, data=TAKEN[name], headers=JSON))
        moves, last = 0, 0
        while not asked.done():
            await asyncio.sleep(0.005)
            now = sum(len(each.words) for each in running)
            moves, last = moves + (now > last), now
        # Work on the loop itself would let all of them move once before it, and once after.
        assert moves > 2
        assert (await asked).status == 200
