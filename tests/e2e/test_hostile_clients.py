"""Hostile clients at the real processes: each is answered or cut off, and the others are served."""

from __future__ import annotations

import json
import socket
import zlib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MODEL = "smollm2-135m-instruct"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Count to ten."}]}
PATH = "/v1/chat/completions"
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()


def stream_of(up, tokens):
    """The number of chunks with text, and whether the stream was whole."""
    body = {**CHAT, "max_tokens": tokens, "stream": True, "ignore_eos": True}
    with httpx.stream("POST", f"{up.api}{PATH}", json=body, timeout=120) as response:
        lines = [line for line in response.iter_lines() if line.startswith("data: ")]
    usage = [json.loads(line[6:]) for line in lines[:-1]]
    return len(usage), lines[-1] == "data: [DONE]"


def opened(up):
    parts = urlsplit(up.api)
    return socket.create_connection((parts.hostname, parts.port), timeout=60)


def status_of(up, data):
    with opened(up) as connection:
        connection.sendall(data)
        return int(connection.recv(4096).split()[1])


def bomb(mebibytes):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(b" " * 2**20) for _ in range(mebibytes)), packer.flush()])


def test_hostile_clients_do_not_stop_the_others(up):
    packed = bomb(40)
    encoded = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    refused = [
        {"guided_json": {"$ref": "https://example.com/elsewhere"}},
        {"stop": "a" * 1_000_000},
        {"logit_bias": {str(number): 1 for number in range(100_000)}},
        {"chat_template_kwargs": {"anything": list(range(100_000))}},
    ]
    slow = [opened(up) for _ in range(300)]
    for connection in slow:
        connection.sendall(HEAD[: len(HEAD) // 2])
    try:
        with ThreadPoolExecutor(2) as threads:
            streams = [threads.submit(stream_of, up, 60) for _ in range(2)]
            assert status_of(up, b"garbage\r\n\r\n") == 400
            assert status_of(up, HEAD + b"Content-Length: -1\r\n\r\n") == 400
            assert status_of(up, HEAD + encoded % len(packed) + packed) == 413
            for change in refused:
                body = {**CHAT, "max_tokens": 1, **change}
                response = httpx.post(f"{up.api}{PATH}", json=body, timeout=120)
                assert response.status_code == 400, response.text
                error = response.json()["error"]
                assert set(error) == {"message", "type", "param", "code"}
                assert error["param"].startswith(next(iter(change)))
            # Costly ones that can be followed are.
            body = {**CHAT, "max_tokens": 1, "guided_regex": "((a{1,1000}){1,1000}){1,1000}"}
            response = httpx.post(f"{up.api}{PATH}", json=body, timeout=120)
            assert response.status_code in (200, 400), response.text
            for stream in streams:
                chunks, whole = stream.result()
                assert whole
                assert chunks > 1
    finally:
        for connection in slow:
            connection.close()
    assert httpx.get(f"{up.api}/ready", timeout=30).status_code == 200
