"""A worker that only emits: rostra.v1 over gRPC, at a cost of about a microsecond a message.

A gRPC server library spends as long on a message as the gateway that is to be measured. So only the
connection's state is a library's (h2); the messages of running answers are put into HTTP/2 frames
beforehand (RFC 9113, sections 4.1 and 6.1; gRPC over HTTP2, Length-Prefixed-Message), and one write
takes the next message of every answer, as a step of an engine does. Answers that have a bundle get
theirs in one message for all, as a worker bundles them.
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
from rostra.v1 import chat_pb2, control_pb2, inference_pb2, tokens_pb2

_CHAT = "/rostra.v1.Inference/Chat"
_BUNDLE = "/rostra.v1.Inference/Bundle"
_BUNDLE_ID = "emitted"
_MAX_BUNDLE_BYTES = 15_000
"""Less than a frame may hold (RFC 9113, section 4.2)."""
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
_HEADERS = [(":status", "200"), ("content-type", "application/grpc")]
_OK = [("grpc-status", "0")]
_UNIMPLEMENTED = [("grpc-status", "12")]


def prefixed(message: Message) -> bytes:
    """A message as gRPC sends it: not compressed, with its length in front."""
    return _prefixed(message.SerializeToString())


def _prefixed(data: bytes) -> bytes:
    return b"\0" + len(data).to_bytes(4) + data


def _varint(number: int) -> bytes:
    """As Protocol Buffers write it: seven bits a byte, the lowest first."""
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


@dataclass(frozen=True)
class Frame:
    """A DATA frame but for the number of its stream, which stands between the two parts."""

    head: bytes
    body: bytes

    @classmethod
    def of(cls, data: bytes) -> Frame:
        body = _prefixed(data)
        return cls(len(body).to_bytes(3) + b"\0\0", body)


@lru_cache(maxsize=16)
def answer(tokens: int, per_message: int, bundled: bool) -> tuple[list[bytes], list[Frame]]:
    """All messages of one answer: those for its bundle, and those for its own stream. The former
    lack the fields that tell whose they are."""
    usage = tokens_pb2.Usage(prompt_tokens=1, completion_tokens=tokens)
    finish = tokens_pb2.Finish(reason=tokens_pb2.FINISH_REASON_LENGTH)
    messages = [
        chat_pb2.ChatResponse(request_id="emitted", prompt_tokens=1),
        *(
            chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content=piece))
            for piece in pieces(tokens, per_message)
        ),
    ]
    last = chat_pb2.ChatResponse(finish=finish, usage=usage)
    if bundled:
        last.num_bundled = len(messages)
        parts = [inference_pb2.BundledMessage(chat=each).SerializeToString() for each in messages]
        return parts, [Frame.of(last.SerializeToString())]
    return [], [Frame.of(each.SerializeToString()) for each in (*messages, last)]


class Answer:
    """One running Chat."""

    def __init__(self, stream: int, call: int | None, tokens: int, per_message: int) -> None:
        self.stream = stream
        self.id = stream.to_bytes(4)
        self.call = b"" if call is None else b"\x08" + _varint(call)  # field 1
        self.bundled, self.frames = answer(tokens, per_message, call is not None)
        self.next_bundled = 0
        self.next = 0


class EmitterProtocol(asyncio.Protocol):
    """One connection of a gateway."""

    def __init__(self, per_message: int) -> None:
        self._per_message = per_message
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._paths: dict[int, str] = {}
        self._calls: dict[int, int] = {}
        """By stream: the numbers that the gateway gave to those with a bundle."""
        self._bundle = 0
        """Its stream."""
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
        headers = {str(name): str(value) for name, value in event.headers}
        self._paths[event.stream_id] = headers[":path"]
        self._bodies[event.stream_id] = bytearray()
        bundle, _, call = headers.get("rostra-bundle", "").partition("/")
        if bundle == _BUNDLE_ID and self._bundle:
            self._calls[event.stream_id] = int(call)
        if headers[":path"] == _BUNDLE:
            self._bundle = event.stream_id
            self._h2.send_headers(self._bundle, _HEADERS)
            first = inference_pb2.BundleResponse(bundle_id=_BUNDLE_ID)
            self._h2.send_data(self._bundle, prefixed(first))

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
        call = self._calls.pop(stream, None)
        if path == _BUNDLE:
            self._h2.send_headers(stream, _OK, end_stream=True)
            self._bundle = 0
            return
        self._h2.send_headers(stream, _HEADERS)
        if path == _CHAT:
            request = chat_pb2.ChatRequest.FromString(body[5:])
            tokens = request.sampling.max_tokens or 1
            self._answers[stream] = Answer(stream, call, tokens, self._per_message)
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
        parts = self._bundle_step()
        h2, ended = self._h2, []
        for answer in self._answers.values():
            if answer.next_bundled < len(answer.bundled):
                continue
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

    def _bundle_step(self) -> list[bytes]:
        """Frames with the next message of every answer that has a bundle, while there is room."""
        frames: list[bytes] = []
        messages: list[bytes] = []
        size = 0
        for answer in self._answers.values():
            if answer.next_bundled == len(answer.bundled):
                continue
            message = answer.call + answer.bundled[answer.next_bundled]
            message = b"\x12" + _varint(len(message)) + message  # field 2
            if size + len(message) > _MAX_BUNDLE_BYTES:
                frames += self._bundle_frame(messages)
                messages, size = [], 0
            if not self._has_room(size + len(message) + 5):
                break
            messages.append(message)
            size += len(message)
            answer.next_bundled += 1
        return frames + self._bundle_frame(messages)

    def _has_room(self, size: int) -> bool:
        stream = self._h2.streams[self._bundle]
        room = stream.outbound_flow_control_window
        return min(room, self._h2.outbound_flow_control_window) >= size

    def _bundle_frame(self, messages: list[bytes]) -> list[bytes]:
        if not messages:
            return []
        frame = Frame.of(b"".join(messages))
        size = len(frame.body)
        self._h2.streams[self._bundle].outbound_flow_control_window -= size
        self._h2.outbound_flow_control_window -= size
        return [frame.head, self._bundle.to_bytes(4), frame.body]
