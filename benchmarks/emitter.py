"""A server that does nothing but emit tokens, to measure what stands between it and a client.

    python -m benchmarks.emitter

The same answers come over gRPC, as a Rostra worker gives them, and over HTTP, as an
OpenAI-compatible server does; it prints both addresses in one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from functools import lru_cache

import orjson
import uvloop
from aiohttp import web

from benchmarks.emitter_grpc import EmitterProtocol
from benchmarks.emitter_text import MODEL, pieces


@lru_cache(maxsize=16)
def events(tokens: int, per_message: int) -> list[bytes]:
    """The server-sent events of an answer of the OpenAI API."""
    deltas = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in pieces(tokens, per_message)]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "length"})
    head = {"id": "emitted", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    chunks = [orjson.dumps({**head, "choices": [choice]}) for choice in choices]
    return [b"data: %b\n\n" % data for data in (*chunks, b"[DONE]")]


def openai_app(per_message: int) -> web.Application:
    async def chat(request: web.Request) -> web.StreamResponse:
        body = await request.json(loads=orjson.loads)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for event in events(body["max_tokens"], per_message):
            await response.write(event)
            await asyncio.sleep(0)
        await response.write_eof()
        return response

    async def models(request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/v1/models", models)
    return app


async def serve(per_message: int) -> None:
    loop = asyncio.get_running_loop()
    grpc = await loop.create_server(lambda: EmitterProtocol(per_message), "127.0.0.1", 0)
    runner = web.AppRunner(openai_app(per_message), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    addresses = {
        "grpc": f"127.0.0.1:{grpc.sockets[0].getsockname()[1]}",
        "http": f"http://127.0.0.1:{runner.addresses[0][1]}",
    }
    print(json.dumps(addresses), flush=True)
    await asyncio.Event().wait()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens-per-message", type=int, default=1)
    args = parser.parse_args(arguments)
    uvloop.run(serve(args.tokens_per_message))


if __name__ == "__main__":
    main()
