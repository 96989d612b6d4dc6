"""An OpenAI-compatible server over real HTTP that says what a test tells it to."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

Body = dict[str, Any]
Said = str | web.Response


def verdict(choice: str, reason: str = "because") -> str:
    return json.dumps({"reason": reason, "verdict": choice})


def score(number: int, reason: str = "because") -> str:
    return json.dumps({"reason": reason, "score": number})


def completion(content: str | None, finish_reason: str = "stop", **message: Any) -> web.Response:
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message},
              "finish_reason": finish_reason}  # fmt: skip
    return web.json_response(
        {"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 10}}
    )


def refusal(status: int, message: str, **headers: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status, headers=headers)


def shown(body: Body) -> list[str]:
    """The texts that a judge was shown, in order."""
    return [
        block.split(">>\n", 1)[1].rsplit("\n<<", 1)[0]
        for block in body["messages"][-1]["content"].split("\n\n<<")
    ]


def lines(path: Path) -> list[dict[str, Any]]:
    """Records of a run folder."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@dataclass
class Server:
    """`answer` says what a contestant says, `judge` what a judge says."""

    answer: Callable[[Body], Said] = lambda body: f"{body['model']} says yes"
    judge: Callable[[Body], Said] = lambda _: verdict("A")
    bodies: list[Body] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    url: str = ""
    most_at_once: int = 0
    delay: float = 0.0
    _at_once: int = 0

    @property
    def judged(self) -> list[Body]:
        return [body for body in self.bodies if not body["stream"]]

    @property
    def asked(self) -> list[Body]:
        return [body for body in self.bodies if body["stream"]]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.keys.add(request.headers.get("Authorization"))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(self.delay)
            said = (self.answer if body["stream"] else self.judge)(body)
        finally:
            self._at_once -= 1
        if isinstance(said, web.Response):
            return said
        return await _stream(request, said) if body["stream"] else completion(said)


async def _stream(request: web.Request, text: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    events: list[Any] = [
        {"choices": [{"index": 0, "delta": {"content": text}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": len(text.split())}},
    ]
    for event in events:
        await response.write(f"data: {json.dumps(event)}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """In a thread of its own, for commands that run in this one or in another process."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", server.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}"
        ready.set()
        return runner

    def serve() -> None:
        runner = loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(30)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
