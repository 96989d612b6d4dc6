"""A worker that only emits: rostra.v1 over gRPC, at a cost of about a microsecond a message.

A gRPC server library spends as long on a message as the gateway that is to be measured. So only the
connection's state is a library's (h2); the messages of running answers are put into HTTP/2 frames
beforehand (RFC 9113, sections 4.1 and 6.1; gRPC over HTTP2, Length-Prefixed-Message), and one write
takes the next message of every answer, as a step of an engine does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)

from benchmarks.emitter_text import MODEL, pieces
from rostra.v1 import chat_pb2, control_pb2, tokens_pb2

_CHAT = "/rostra.v1.Inference/Chat"
_WATCH = "/grpc.health.v1.Health/Watch"
_UNARY: dict[str, Message] = {
    "/rostra.v1.Control/GetLoad": control_pb2.GetLoadResponse(models_version=1),
    "/rostra.v1.Control/GetModelInfo": control_pb2.GetModelInfoResponse(
        models=[control_pb2.ModelInfo(name=MODEL, revision="0" * 16, has_chat_template=True)]
    ),
    "/grpc.health.v1.Health/Check": health_pb2.HealthCheckResponse(
        status=health_pb2.HealthCheckResponse.SERVING
    ),
}
_OK = [("grpc-status", "0")]
_UNIMPLEMENTED = [("grpc-status", "12")]


def prefixed(message: Message) -> bytes:
    """A message as gRPC sends it: not compressed, with its length in front."""
    data = message.SerializeToString()
    return b"\0" + len(data).to_bytes(4) + data


@dataclass(frozen=True)
class Frame:
    """A DATA frame but for the number of its stream, which stands between the two parts."""

    head: bytes
    body: bytes

    @classmethod
    def of(cls, message: Message) -> Frame:
        body = prefixed(message)
        return cls(len(body).to_bytes(3) + b"\0\0", body)


@lru_cache(maxsize=16)
def answer(tokens: int, per_message: int) -> list[Frame]:
    """All messages of one answer."""
    usage = tokens_pb2.Usage(prompt_tokens=1, completion_tokens=tokens)
    finish = tokens_pb2.Finish(reason=tokens_pb2.FINISH_REASON_LENGTH)
    return [
        Frame.of(chat_pb2.ChatResponse(request_id="emitted", prompt_tokens=1)),
        *(
            Frame.of(chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content=piece)))
            for piece in pieces(tokens, per_message)
        ),
        Frame.of(chat_pb2.ChatResponse(finish=finish, usage=usage)),
    ]


class Answer:
    """One running Chat."""

    def __init__(self, stream: int, frames: list[Frame]) -> None:
        self.stream = stream
        self.id = stream.to_bytes(4)
        self.frames = frames
        self.next = 0


class EmitterProtocol(asyncio.Protocol):
    """One connection of a gateway."""

    def __init__(self, per_message: int) -> None:
        self._per_message = per_message
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._paths: dict[int, str] = {}
        self._bodies: dict[int, bytearray] = {}
        self._answers: dict[int, Answer] = {}
        self._transport: asyncio.Transport
        self._full = False
        self._pumping = False
        self._handlers: dict[type[Event], Callable[[Event], None]] = {
            RequestReceived: self._begun,
            DataReceived: self._data,
            StreamEnded: self._asked,
            StreamReset: self._reset,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(2**30)
        self._flush()

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if handler := self._handlers.get(type(event)):
                handler(event)
            elif isinstance(event, WindowUpdated | RemoteSettingsChanged):
                self._wake()
        self._flush()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._answers.clear()

    def _begun(self, event: Event) -> None:
        assert isinstance(event, RequestReceived)
        assert event.stream_id is not None
        assert event.headers is not None
        self._paths[event.stream_id] = str(dict(event.headers)[":path"])
        self._bodies[event.stream_id] = bytearray()

    def _data(self, event: Event) -> None:
        assert isinstance(event, DataReceived)
        assert event.stream_id is not None
        self._bodies[event.stream_id] += event.data or b""

    def _reset(self, event: Event) -> None:
        assert isinstance(event, StreamReset)
        self._answers.pop(event.stream_id or 0, None)

    def _asked(self, event: Event) -> None:
        assert isinstance(event, StreamEnded)
        stream = event.stream_id
        assert stream is not None
        path, body = self._paths.pop(stream), bytes(self._bodies.pop(stream))
        headers = [(":status", "200"), ("content-type", "application/grpc")]
        self._h2.send_headers(stream, headers)
        if path == _CHAT:
            request = chat_pb2.ChatRequest.FromString(body[5:])
            frames = answer(request.sampling.max_tokens or 1, self._per_message)
            self._answers[stream] = Answer(stream, frames)
            self._wake()
        elif path == _WATCH:
            self._h2.send_data(stream, prefixed(_UNARY["/grpc.health.v1.Health/Check"]))
        elif path in _UNARY:
            self._h2.send_data(stream, prefixed(_UNARY[path]))
            self._h2.send_headers(stream, _OK, end_stream=True)
        else:
            self._h2.send_headers(stream, _UNIMPLEMENTED, end_stream=True)

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._transport.write(data)

    def _wake(self) -> None:
        if not self._pumping and self._answers:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._step)

    def _step(self) -> None:
        """The next message of every answer that has room for it."""
        self._pumping = False
        if self._full or self._transport.is_closing():
            return
        parts: list[bytes] = []
        h2, ended = self._h2, []
        for answer in self._answers.values():
            frame = answer.frames[answer.next]
            stream, size = h2.streams[answer.stream], len(frame.body)
            if min(stream.outbound_flow_control_window, h2.outbound_flow_control_window) < size:
                continue
            stream.outbound_flow_control_window -= size
            h2.outbound_flow_control_window -= size
            parts += (frame.head, answer.id, frame.body)
            answer.next += 1
            if answer.next == len(answer.frames):
                ended.append(answer.stream)
        self._flush()  # the headers of answers that begin
        self._transport.write(b"".join(parts))
        for number in ended:
            del self._answers[number]
            h2.send_headers(number, _OK, end_stream=True)
        self._flush()
        if parts:
            self._wake()
