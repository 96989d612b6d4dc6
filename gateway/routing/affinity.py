"""What a request has in common with others: the beginning of its prompt, and who asks.

A gateway has no tokenizer. It names prefixes of the text instead, sends the names along, and
workers that report their caches report them by these names.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from rostra.gateway.routing.policy import NOTHING_SHARED, Affinity
from rostra.v1 import chat_pb2, inference_pb2

BLOCK_BYTES = 256
"""Of text to a key: some 64 tokens of English."""
MAX_BLOCKS = 256
"""To hash a longer prompt would hold up everybody's streams."""
OPENING_BYTES = 1024
"""By which texts without messages are taken to belong together."""

_END = b"\x00"
_MAX_TOKENS = MAX_BLOCKS * BLOCK_BYTES // 4


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prompt's beginning."""

    keys: tuple[int, ...]
    covered: float
    """The part of the prompt that the last key stands for."""
    opening: int | None
    """Names all up to the first message of a user: what the turns of a conversation share, and
    other conversations do not. None where there is too little to tell by."""


def prefix_of(request: Any, model: str) -> Prefix:
    """Of any request to a worker; `model` is the name that all gateways know the model by."""
    match request:
        case chat_pb2.ChatRequest():
            pieces = _of_chat(request)
        case inference_pb2.GenerateRequest():
            pieces = _of_generate(request)
        case _:
            return Prefix((), 1.0, None)
    # Requests of another salt share nothing in the cache.
    state = blake2b(f"{model}\n{request.cache_salt}\n".encode("utf-8", "replace"), digest_size=8)
    opening: int | None = None
    keys: list[int] = []
    pending = bytearray()
    taken = beyond = 0
    for piece, opens in pieces:
        room = max(0, MAX_BLOCKS * BLOCK_BYTES - taken)
        beyond += max(0, len(piece) - room)
        if room:
            # Of a text of megabytes only what counts is turned into bytes.
            data = piece[:room].encode() if isinstance(piece, str) else piece[:room]
            taken += len(data)
            pending += data
            while len(pending) >= BLOCK_BYTES and len(keys) < MAX_BLOCKS:
                state.update(bytes(pending[:BLOCK_BYTES]))
                del pending[:BLOCK_BYTES]
                keys.append(int.from_bytes(state.digest()))
        if opens and opening is None:
            ended = state.copy()
            ended.update(bytes(pending))
            opening = int.from_bytes(ended.digest())
    if isinstance(request, inference_pb2.GenerateRequest):
        beyond += 4 * max(0, len(request.tokens.ids) - _MAX_TOKENS)
        if keys:
            opening = keys[min(len(keys), OPENING_BYTES // BLOCK_BYTES) - 1]
    covered = min(1.0, len(keys) * BLOCK_BYTES / (taken + beyond)) if keys else 1.0
    return Prefix(tuple(keys), covered, opening)


def affinity_of(prefix: Prefix, session: int | None) -> Affinity:
    """`session`: what the caller itself says belongs together."""
    named = prefix.opening if session is None else session
    return Affinity(prefix.keys, named) if prefix.keys or named is not None else NOTHING_SHARED


def _of_generate(request: inference_pb2.GenerateRequest) -> Iterator[tuple[str | bytes, bool]]:
    if request.WhichOneof("prompt") == "text":
        yield request.text, False
    else:
        ids = request.tokens.ids[:_MAX_TOKENS]
        yield struct.pack(f"<{len(ids)}I", *ids), False


def _of_chat(request: chat_pb2.ChatRequest) -> Iterator[tuple[str | bytes, bool]]:
    """In the order in which templates write it, about. No lengths: a message that begins as another
    does shares its beginning."""
    for tool in request.tools:
        yield f"{tool.name}\n{tool.description}\n{tool.parameters_schema}\x00", False
    for name, value in sorted(request.template_variables.items()):
        yield f"{name}={value}\x00", False
    for message in request.messages:
        yield bytes((message.role,)) + message.name.encode(), False
        for part in message.content:
            if part.HasField("image"):
                yield blake2b(part.image.data, digest_size=32).digest(), False
            else:
                yield part.text, False
        for call in message.tool_calls:
            yield f"\x01{call.name}\n{call.arguments}", False
        yield _END, message.role == chat_pb2.ROLE_USER
