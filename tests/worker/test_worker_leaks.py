"""What callers send stays out of every log, and where things lie on the host out of every answer.

Real processes, at the level that they log at by default.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from chat_templates import HERMES
from tiny_model import save_tiny_model

from rostra.gateway.api_keys import new_key
from rostra.gateway.key_file import entry

MARK = "zqxmarker"
"""Part of everything that callers send and that is nobody else's business."""
PLACE = "zqxfolder"
"""Part of every path on the host."""
IMAGE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + MARK.encode() * 8).decode()


@dataclass
class Mesh:
    url: str
    secret: str
    logs: tuple[Path, ...]


@contextmanager
def process(log: Path, ready: str, *arguments: str) -> Iterator[str]:
    """A command of `rostra`; what stands after `ready` in its first line."""
    command = [sys.executable, "-P", "-m", "rostra.mesh.cli.main", *arguments]
    environment = {key: value for key, value in os.environ.items() if key != "ROSTRA_LOG_LEVEL"}
    with log.open("wb") as errors:
        running = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**environment, "COLUMNS": "200"},
        )
        with running:
            try:
                assert running.stdout is not None
                for line in running.stdout:
                    if found := re.match(rf"{ready} (\S+)", line.decode()):
                        yield found[1]
                        break
                else:
                    raise AssertionError(log.read_text())
            finally:
                running.send_signal(signal.SIGTERM)
                try:
                    running.wait(60)
                except subprocess.TimeoutExpired:
                    running.kill()


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    root = tmp_path / PLACE
    model, keys = root / "model", root / "keys.toml"
    model.mkdir(parents=True)
    save_tiny_model(model)
    (model / "chat_template.jinja").write_text(HERMES)
    secret, key = new_key("caller")
    keys.write_text(entry(key))
    logs = (tmp_path / "worker.log", tmp_path / "gateway.log")
    with ExitStack() as stack:
        address = stack.enter_context(
            process(
                *(logs[0], "worker ready on", "worker", "--model", str(model)),
                *("--listen", "127.0.0.1:0", "--name", "tiny", "--num-threads", "1"),
                *("--kv-cache-bytes", str(16 * 2**20)),
            )
        )
        url = stack.enter_context(
            process(
                *(logs[1], "gateway ready on", "gateway", "--port", "0"),
                *("--worker", address, "--api-keys", str(keys)),
            )
        )
        yield Mesh(url, secret, logs)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def chat(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "tiny", "messages": messages or [user(MARK)], "max_tokens": 4, **fields}


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": f'{{"a":"{MARK}"}}'}}
TOOL = {"type": "function", "function": {"name": "f", "description": MARK, "parameters": {}}}
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}}
BODIES: tuple[tuple[str, Any], ...] = (
    ("/v1/chat/completions", chat(user=MARK, metadata={"a": MARK}, cache_salt=MARK)),
    ("/v1/chat/completions", chat(stream=True)),
    (
        "/v1/chat/completions",
        chat(
            user("hi"),
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c", "content": MARK},
            tools=[TOOL],
        ),
    ),
    ("/v1/chat/completions", chat(user([PICTURE]))),
    ("/v1/chat/completions", chat(user([{"type": "text", "text": MARK}]), temperature=MARK)),
    ("/v1/chat/completions", chat(**{MARK: 1})),
    ("/v1/chat/completions", chat(stop=[MARK] * 20)),
    ("/v1/chat/completions", chat(chat_template_kwargs={"tools": MARK, MARK: MARK})),
    ("/v1/chat/completions", chat(response_format={"type": "json_schema", "json_schema": {
        "name": "s", "schema": {"type": "object", "properties": {MARK: {"pattern": f"({MARK}"}}}
    }})),
    ("/v1/chat/completions", chat(user(MARK * 3000))),
    ("/v1/chat/completions", chat(model=MARK)),
    ("/v1/completions", {"model": "tiny", "prompt": MARK, "max_tokens": 2, "echo": True}),
    ("/v1/completions", {"model": "tiny", "prompt": [10**9], "max_tokens": 2}),
    ("/v1/responses", {"model": "tiny", "input": MARK, "max_output_tokens": 2}),
    ("/v1/responses", {"model": "tiny", "input": MARK, "previous_response_id": MARK}),
    ("/v1/messages", chat(system=MARK)),
    ("/v1/messages", chat(metadata={"user_id": MARK})),
    ("/v1/embeddings", {"model": "tiny", "input": MARK}),
    ("/tokenize", {"model": "tiny", "prompt": MARK}),
    ("/v1/rerank", {"model": "tiny", "query": MARK, "documents": [MARK]}),
)  # fmt: skip


async def test_nothing_of_it_is_told(mesh: Mesh) -> None:
    good = {"Authorization": f"Bearer {mesh.secret}"}
    bodies: list[bytes] = []
    statuses: list[int] = []
    async with aiohttp.ClientSession(mesh.url) as session:

        async def send(path: str, data: bytes, headers: dict[str, str]) -> None:
            sent = {"Content-Type": "application/json", **headers}
            async with session.post(path, data=data, headers=sent) as answer:
                bodies.append(await answer.read())
                statuses.append(answer.status)

        async with asyncio.timeout(60):
            while True:
                async with session.get("/ready") as answer:
                    if answer.status == 200:
                        break
                await asyncio.sleep(0.1)
        for path, body in BODIES:
            await send(path, orjson.dumps(body), good)
        whole = orjson.dumps(chat())
        for headers in (
            {"Authorization": f"Bearer rk-{MARK}"},
            {"x-api-key": f"rk-{MARK}"},
            {"Authorization": f"Basic {MARK}"},
            {**good, "Content-Type": MARK},
            {**good, "x-request-timeout": MARK},
            {**good, "Cookie": f"a={MARK}"},
        ):
            await send(f"/v1/chat/completions?key={MARK}", whole, headers)
        await send("/v1/chat/completions", whole[:-1] + MARK.encode(), good)
        # One who goes away in the middle.
        endless = orjson.dumps(chat(stream=True, max_tokens=100, ignore_eos=True))
        sent = {"Content-Type": "application/json", **good}
        async with session.post("/v1/chat/completions", data=endless, headers=sent) as answer:
            await answer.content.readline()
    await no_http(mesh.url)
    # Both what is answered and what is refused was tried.
    assert {200, 400, 401, 404, 415} <= set(statuses), statuses
    for body in bodies:
        assert PLACE.encode() not in body, body
    for log in mesh.logs:
        text = log.read_text()
        assert "tiny" in text, "nothing was logged"
        told = [line for line in text.splitlines() if MARK in line or PLACE in line]
        assert told == []
        assert mesh.secret not in text
    assert '"key":"caller"' in mesh.logs[1].read_text().replace(": ", ":")


async def no_http(url: str) -> None:
    """Lines that are no headers, with a key in them."""
    host, port = url.removeprefix("http://").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /v1/models HTTP/1.1\r\nAuthorization Bearer {MARK}\r\n\r\n".encode())
    await writer.drain()
    assert b"400" in await reader.readline()
    writer.close()
