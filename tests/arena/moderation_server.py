"""A moderation endpoint on a port of its own, which answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from rostra.arena.moderation.settings import EndpointSettings

SCORES = {"violence": 0.9, "hate": 0.05}


def verdict(scores: Mapping[str, float] = SCORES, flagged: float = 0.5) -> dict[str, Any]:
    """As OpenAI's server puts it, which flags what scores higher than `flagged`."""
    categories = {name: score > flagged for name, score in scores.items()}
    result = {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": dict(scores),
        "category_applied_input_types": {name: ["text"] for name in scores},
    }
    return {"id": "modr-1", "model": "scripted", "results": [result]}


@dataclass
class ModerationServer:
    """Answers with `body`, JSON or bytes, after `delay` seconds; violence for what has `kill`."""

    status: int = 200
    body: Any = None
    delay: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    url: str = ""

    def settings(self, **given: Any) -> EndpointSettings:
        return EndpointSettings(url=self.url, **given)

    async def answer(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("Authorization"))
        question = await request.json()
        self.asked.append(question)
        await asyncio.sleep(self.delay)
        body = self.body
        if body is None:
            body = verdict({"violence": 0.9 if "kill" in question["input"] else 0.01, "hate": 0.0})
        if isinstance(body, bytes):
            return web.Response(status=self.status, body=body)
        return web.json_response(body, status=self.status)


@asynccontextmanager
async def moderation_server() -> AsyncIterator[ModerationServer]:
    server = ModerationServer()
    app = web.Application()
    app.router.add_post("/v1/moderations", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/moderations"
    try:
        yield server
    finally:
        await runner.cleanup()
