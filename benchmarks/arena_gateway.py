"""A gateway that answers every question with the same Markdown, at a pace of each model's own.

    python -m benchmarks.arena_gateway [--pace CHARACTERS_A_SECOND] [MODEL ...]

Prints its URL when it listens. A model whose name ends in a digit writes that many percent slower.
Models that are named are listed, as such that take images. `/sent` has how many answers it gave,
and its CPU seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time

from aiohttp import web

ANSWER = """Water boils when its **vapour pressure** reaches that of the air around it.

1. On a mountain the air is *thinner*, so it boils sooner.
2. In a closed pot it boils later: $p V = n R T$.

| place | height | boils at |
|---|---|---|
| the sea | 0 m | 100 °C |
| a pass | 2,500 m | 92 °C |
| a summit | 8,800 m | 71 °C |

```python
def boiling_point(height: float) -> float:
    \"\"\"In degrees, of a height in metres.\"\"\"
    return 100 - height / 300
```

> So an egg takes longer up there, and a cook needs patience.

That is the whole of it: what counts is the pressure above the water, and nothing else, however
hot the flame under it may be and however long it burns.
"""
PIECE = 12
"""Characters of one event: some three tokens."""


class Gateway:
    def __init__(self, pace: float, models: list[str]) -> None:
        self._pace = pace
        self._models_with_images = models
        self._num_answers = 0

    async def serve(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/sent", self._sent)
        runner = web.AppRunner(app, shutdown_timeout=1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        last = body["model"][-1]
        pace = self._pace * (1 - int(last) / 100) if last.isdigit() else self._pace
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for start in range(0, len(ANSWER), PIECE):
            await response.write(_event({"content": ANSWER[start : start + PIECE]}))
            await asyncio.sleep(PIECE / pace)
        await response.write(_event({}, "stop"))
        await response.write(b"data: [DONE]\n\n")
        self._num_answers += 1
        return response

    async def _models(self, _request: web.Request) -> web.Response:
        """Every model is answered, those too that are not here."""
        taken = ["text", "image"]
        data = [{"id": name, "input_modalities": taken} for name in self._models_with_images]
        return web.json_response({"object": "list", "data": data})

    async def _sent(self, _request: web.Request) -> web.Response:
        return web.json_response({"answers": self._num_answers, "cpu": time.process_time()})


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pace", type=float, default=300.0)
    parser.add_argument("models", nargs="*", help="that take images")
    given = parser.parse_args()
    asyncio.run(Gateway(given.pace, given.models).serve())


if __name__ == "__main__":
    main()
