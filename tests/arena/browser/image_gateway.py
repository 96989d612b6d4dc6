"""A gateway two of whose models take images, and that remembers what it was asked."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from threaded_gateway import ThreadedGateway

MODELS = {"eyes-1": ["text", "image"], "eyes-2": ["text", "image"], "blind-1": ["text"]}


class ImageGateway(ThreadedGateway):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []
        """Bodies of requests."""

    async def models(self, _request: web.Request) -> web.Response:
        data = [{"id": name, "input_modalities": takes} for name, takes in MODELS.items()]
        return web.json_response({"object": "list", "data": data})

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        events = [
            {"choices": [{"index": 0, "delta": {"content": "A red square."}}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        ]
        lines = [*map(json.dumps, events), "[DONE]"]
        return web.Response(
            text="".join(f"data: {line}\n\n" for line in lines), content_type="text/event-stream"
        )
