"""Reads many streams at once as cheaply as a process can, and examines them afterwards.

While streams run nothing is done but to take bytes from sockets, so that a gateway on another core
is not kept waiting. Only then is each answer parsed, and held to what the emitter says.
"""

from __future__ import annotations

import http.client
import io
import selectors
import socket
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import orjson

from benchmarks.emitter_text import MODEL, pieces
from benchmarks.loops import PeerError


@dataclass
class RawStream:
    """One answer. Times are seconds of `time.perf_counter()`."""

    sent: float
    first_token: float | None = None
    ended: float = 0.0
    parts: list[bytes] = field(default_factory=list)


class _Recorded:
    """As a socket that gives what was received, for the standard library's parser."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def read(url: str, streams: int, tokens: int, timeout: float) -> list[RawStream]:
    """All streams begin at once; returns when each has ended. Raises PeerError."""
    where = urlsplit(url)
    assert where.hostname is not None
    request = _request(where.netloc, tokens)
    connections = [
        socket.create_connection((where.hostname, where.port), timeout) for _ in range(streams)
    ]
    found: list[RawStream] = []
    with selectors.DefaultSelector() as selector:
        try:
            for connection in connections:
                connection.setblocking(False)
                stream = RawStream(time.perf_counter())
                found.append(stream)
                connection.sendall(request)
                selector.register(connection, selectors.EVENT_READ, stream)
            _drain(selector, time.monotonic() + timeout)
        except OSError as error:
            raise PeerError(f"{type(error).__name__}: {error}") from None
        finally:
            for connection in connections:
                connection.close()
    return found


def _drain(selector: selectors.BaseSelector, until: float) -> None:
    left = len(selector.get_map())
    while left:
        ready = selector.select(max(0.0, until - time.monotonic()))
        if not ready:
            raise PeerError(f"{left} streams had not ended in time")
        for key, _ in ready:
            assert isinstance(key.fileobj, socket.socket)
            data = key.fileobj.recv(1 << 18)
            stream: RawStream = key.data
            if data:
                stream.parts.append(data)
                if stream.first_token is None and b'"content":" 0' in data:
                    stream.first_token = time.perf_counter()
            else:
                stream.ended = time.perf_counter()
                selector.unregister(key.fileobj)
                left -= 1


def _request(host: str, tokens: int) -> bytes:
    body = orjson.dumps(
        {
            "model": MODEL,
            "messages": [{"role": "user", "content": "Count."}],
            "max_tokens": tokens,
            "stream": True,
        }
    )
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nAuthorization: Bearer none\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def check(stream: RawStream, tokens: int) -> int:
    """The number of events with content. Raises PeerError unless the whole answer came, in order,
    with its finish and its end."""
    response = http.client.HTTPResponse(_Recorded(b"".join(stream.parts)))  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read()
    except http.client.HTTPException as error:
        raise PeerError(f"no whole HTTP answer: {error!r}") from None
    if response.status != 200:
        raise PeerError(f"{response.status}: {body[:200]!r}")
    events = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
    if not events or events.pop() != b"[DONE]":
        raise PeerError(f"the stream ended before [DONE]: {body[-200:]!r}")
    choices = [choice for event in events for choice in orjson.loads(event)["choices"]]
    texts = [text for choice in choices if (text := choice["delta"].get("content"))]
    if "".join(texts) != "".join(pieces(tokens, 1)):
        raise PeerError(f"the text is not what was emitted: {''.join(texts)[:200]!r}")
    if [reason for choice in choices if (reason := choice.get("finish_reason"))] != ["length"]:
        raise PeerError("the stream has not one finish")
    return len(texts)
