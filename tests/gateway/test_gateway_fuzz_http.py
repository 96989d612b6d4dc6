"""Bytes that are no HTTP, or hardly: each is answered in the envelope, and its connection ends."""

from __future__ import annotations

import asyncio
import logging
import zlib
from typing import Any

import orjson
import pytest
from fuzz_harness import HELLO, check_envelope, real_gateway
from gateway_harness import ScriptedWorker, eventually, finish, usage

from rostra.v1 import chat_pb2

CHAT = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
GET = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

MALFORMED = [
    b"garbage\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /v1/models/\xff" + GET,
    b"GET /\xed\xa0\x80?a=\xff" + GET,
    b"GET http://[::bad/" + GET,
    b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 20_000 + GET,
    b"GET / HTTP/1.1\r\n" + b"".join(b"x%d: 1\r\n" % one for one in range(500)) + b"\r\n",
    CHAT + b"Content-Length: -1\r\n\r\n{}",
    CHAT + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    CHAT + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    CHAT + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    CHAT + b"Content-Encoding: br\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
]


async def test_what_is_no_http_is_told_so(
    worker: ScriptedWorker, caplog: pytest.LogCaptureFixture
) -> None:
    async with real_gateway(worker) as gateway:
        for data in MALFORMED:
            status, body = await gateway.answer_to(data)
            error = check_envelope(status, body)
            assert (status, error["code"]) == (400, "invalid_http"), data[:60]
        assert (await gateway.session.get(f"{gateway.url}/health")).status == 200
    assert [one for one in caplog.records if one.exc_info or one.levelno > logging.INFO] == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/v1/models/%ff", 404),
        (b"/v1/models/%ED%A0%80", 404),
        (b"/v1/models/%00", 404),
        (b"/v1/responses/%ff?include=%ff", 400),
        (b"/v1/responses/%ED%A0%80", 404),
        (b"/v1/responses/x/input_items?limit=9999999999999999999999", 400),
        (b"//v1/models", 404),
    ],
)
async def test_paths_and_queries_that_are_no_text(
    worker: ScriptedWorker, path: bytes, status: int
) -> None:
    async with real_gateway(worker) as gateway:
        found, body = await gateway.answer_to(b"GET " + path + GET)
        check_envelope(found, body)
        assert found == status


async def test_headers_that_are_no_text(worker: ScriptedWorker) -> None:
    async with real_gateway(worker, cors_allowed_origins=("*",)) as gateway:
        names = (b"Authorization", b"x-api-key", b"x-request-id", b"traceparent", b"X-Other")
        extra = b"".join(b"%b: \xff\xfe\r\n" % name for name in names)
        data = b"GET /v1/models HTTP/1.1\r\nHost: \xff\r\nConnection: close\r\n" + extra + b"\r\n"
        assert (await gateway.answer_to(data))[0] == 200


def bomb(mebibytes: int, wbits: int) -> bytes:
    """Blanks, which JSON allows before a value."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    blanks = b" " * 2**20
    return b"".join([*(packer.compress(blanks) for _ in range(mebibytes)), packer.flush()])


@pytest.mark.parametrize(("encoding", "wbits"), [("gzip", 31), ("deflate", 15)])
async def test_a_bomb_is_not_unpacked(worker: ScriptedWorker, encoding: str, wbits: int) -> None:
    packed = bomb(40, wbits)
    async with real_gateway(worker) as gateway:
        head = b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
        data = CHAT + head % (encoding.encode(), len(packed)) + packed[: len(packed) // 2]
        # Half of it is more than is taken, and the connection ends without the other half.
        status, body = await gateway.answer_to(data)
        error = check_envelope(status, body)
        assert (status, error["code"]) == (413, "request_too_large")


async def test_a_packed_body_is_read(worker: ScriptedWorker) -> None:
    async with real_gateway(worker) as gateway:
        packed = zlib.compress(orjson.dumps(HELLO), wbits=31)
        head = b"Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        assert (await gateway.answer_to(CHAT + head % len(packed) + packed))[0] == 200


async def test_a_head_that_comes_byte_by_byte(worker: ScriptedWorker) -> None:
    async with real_gateway(worker, idle_timeout=0.3) as gateway:
        reader, writer = await gateway.raw(b"GET /v1/models HTTP/1.1\r\nX-Slow: ")
        ended = asyncio.create_task(reader.read())
        while not ended.done():
            writer.write(b"a")
            await asyncio.sleep(0.02)
        assert ended.result() == b""
        writer.close()


async def test_idle_connections_end(worker: ScriptedWorker) -> None:
    async with real_gateway(worker, idle_timeout=0.3) as gateway:
        opened = [await gateway.raw(b"") for _ in range(200)]
        assert (await gateway.session.get(f"{gateway.url}/health")).status == 200
        assert [await reader.read() for reader, _ in opened] == [b""] * 200
        for _, writer in opened:
            writer.close()


async def test_bodies_that_do_not_end(worker: ScriptedWorker) -> None:
    async with real_gateway(worker, body_timeout=0.3, max_body_bytes=1000) as gateway:
        slow = CHAT + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
        reader, writer = await gateway.raw(slow)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        assert b" 408 " in head
        writer.close()
        reader, writer = await gateway.raw(slow + b"400\r\n" + b" " * 1024 + b"\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        assert b" 413 " in head
        writer.close()


async def test_who_does_not_read_ends_at_the_deadline(worker: ScriptedWorker) -> None:
    sent = 0

    async def floods(request: Any, context: Any) -> Any:
        nonlocal sent
        while True:
            sent += 1
            yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="x" * 50_000))

    async with real_gateway(worker, request_timeout=1.0) as gateway:
        worker.script = floods
        body = orjson.dumps({**HELLO, "stream": True})
        _, writer = await gateway.raw(CHAT + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await eventually(lambda: worker.running == 1)
        await eventually(lambda: worker.running == 0)
        assert sent * 50_000 < 64 * 2**20
        gone = 'route="/v1/chat/completions",status="499"} 1.0'

        async def ended() -> bool:
            return gone in await (await gateway.session.get(f"{gateway.url}/metrics")).text()

        async with asyncio.timeout(20):
            while not await ended():
                await asyncio.sleep(0.1)
        writer.close()


async def test_who_does_not_read_a_whole_answer_ends_too(worker: ScriptedWorker) -> None:
    async def long(request: Any, context: Any) -> Any:
        for _ in range(800):
            yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="x" * 50_000))
        yield chat_pb2.ChatResponse(finish=finish(), usage=usage())

    async with real_gateway(worker, request_timeout=4.0) as gateway:
        worker.script = long
        body = orjson.dumps(HELLO)
        reader, writer = await gateway.raw(CHAT + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await eventually(lambda: worker.running == 1)
        await eventually(lambda: worker.running == 0)
        async with asyncio.timeout(20):
            while True:
                text = await (await gateway.session.get(f"{gateway.url}/metrics")).text()
                if 'requests_in_flight{route="/v1/chat/completions"} 0.0' in text:
                    break
                await asyncio.sleep(0.1)
        assert 'route="/v1/chat/completions",status="499"} 1.0' in text
        writer.close()
