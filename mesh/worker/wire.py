"""What the server and the engine process say to each other, and how it is framed.

A frame is four bytes of length, most significant first, and that many bytes of MessagePack. Both
ends are processes of one host and one version, so there is nothing to negotiate.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import BinaryIO

import msgspec

from rostra.mesh.distributed.place import Place
from rostra.mesh.engine.adapters import AdapterFault
from rostra.mesh.engine.cache_log import CacheChanges
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.messages import (
    EmbeddingRequest,
    EngineLoad,
    EngineRequest,
    RequestOutput,
)

HEADER = struct.Struct("!I")


class Configure(msgspec.Struct, frozen=True, tag=True):
    """The first command."""

    config: EngineConfig
    place: Place = Place()
    """Of this process among those that compute the model."""


class Add(msgspec.Struct, frozen=True, tag=True):
    """Requests to take in together, or not at all. Answered by `Admission`."""

    requests: list[EngineRequest | EmbeddingRequest]


class Abort(msgspec.Struct, frozen=True, tag=True):
    request_ids: list[str]


class LoadAdapter(msgspec.Struct, frozen=True, tag=True):
    """Answered by an `AdapterAnswer` of the same number; so is `UnloadAdapter`."""

    number: int
    name: str
    folder: str


class UnloadAdapter(msgspec.Struct, frozen=True, tag=True):
    number: int
    name: str


class FollowCache(msgspec.Struct, frozen=True, tag=True):
    """What of the prefix cache turns tell from now on, everything that is cached first."""

    keys: bool
    """Of prefixes, as callers call them."""
    blocks: bool


Command = Configure | Add | Abort | LoadAdapter | UnloadAdapter | FollowCache


class Refusal(Enum):
    """Why requests were not taken in."""

    QUEUE_FULL = "queue_full"
    TOO_LONG = "too_long"
    INVALID = "invalid"
    NO_ADAPTER = "no_adapter"


class Admission(msgspec.Struct, frozen=True):
    """What became of one `Add`."""

    request_id: str
    """Of the first request of the `Add`."""
    refusal: Refusal | None = None
    message: str = ""


class AdapterState(msgspec.Struct, frozen=True):
    """An adapter that takes requests."""

    name: str
    folder: str
    revision: str
    """Content hash of its files."""
    rank: int


class AdapterAnswer(msgspec.Struct, frozen=True):
    """What became of a `LoadAdapter` or an `UnloadAdapter`."""

    number: int
    state: AdapterState | None = None
    """Of one that was loaded."""
    fault: AdapterFault | None = None
    message: str = ""


class EngineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine turned out to be once it was built."""

    device: str
    device_name: str
    dtype: str
    max_model_len: int
    vocab_size: int
    embedding_size: int | None = None
    """Numbers of a vector; None where the engine generates text."""
    tensor_parallel_size: int = 1


class Progress(msgspec.Struct, frozen=True, tag=True):
    """Of loading, in bytes."""

    done: int
    total: int


class Ready(msgspec.Struct, frozen=True, tag=True):
    info: EngineInfo
    load: EngineLoad


class Turn(msgspec.Struct, frozen=True, tag=True):
    """One turn of the engine's loop: commands taken, at most one step made."""

    admissions: list[Admission]
    outputs: list[RequestOutput]
    load: EngineLoad
    adapters: list[AdapterAnswer] = []
    cache: CacheChanges | None = None
    seconds: float = 0.0
    """That the step took, if one was made."""


class Heartbeat(msgspec.Struct, frozen=True, tag=True):
    """Sent when there was nothing else to send for a while."""

    busy_since: float | None
    """`time.monotonic()` at which the turn began that is still going on."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The last event of a process that gives up."""

    message: str
    mendable: bool
    """Whether the message is a `RostraError`'s, meant for the user as it stands."""


Event = Progress | Ready | Turn | Heartbeat | Failed

_encoder = msgspec.msgpack.Encoder()
_commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_events: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)


def encode(message: Command | Event) -> bytes:
    """The whole frame."""
    body = _encoder.encode(message)
    return HEADER.pack(len(body)) + body


def decode_command(body: bytes) -> Command:
    return _commands.decode(body)


def decode_event(body: bytes) -> Event:
    return _events.decode(body)


def read_frame(file: BinaryIO) -> bytes | None:
    """The body of the next frame; None at the end of the stream."""
    header = file.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    (length,) = HEADER.unpack(header)
    body = file.read(length)
    return body if len(body) == length else None
