"""A gateway two of whose models take images, and that remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

from aiohttp import web

MODELS = {"eyes-1": ["text", "image"], "eyes-2": ["text", "image"], "blind-1": ["text"]}


class ImageGateway:
    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        """Bodies of requests."""
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(30)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    async def _serve(self) -> None:
        app = web.Application(client_max_size=10 * 2**20)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _models(self, _request: web.Request) -> web.Response:
        data = [{"id": name, "input_modalities": takes} for name, takes in MODELS.items()]
        return web.json_response({"object": "list", "data": data})

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        events = [
            {"choices": [{"index": 0, "delta": {"content": "A red square."}}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        ]
        lines = [*map(json.dumps, events), "[DONE]"]
        return web.Response(
            text="".join(f"data: {line}\n\n" for line in lines), content_type="text/event-stream"
        )
