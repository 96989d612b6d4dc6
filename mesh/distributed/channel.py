"""What rank 0 tells the other ranks, and how it gets to them."""

from __future__ import annotations

import struct

import msgspec
import torch
from torch import Tensor

from rostra.mesh.distributed.parallel import DistributedParallel
from rostra.mesh.engine.plan import StepPlan

_HEADER = struct.Struct("<Q")
_USUAL_BYTES = 16 << 10
"""What decode steps of some hundred requests fit in."""


class Launch(msgspec.Struct, frozen=True, tag=True):
    """Compute a step."""

    plan: StepPlan
    num_results: int
    """Steps whose results rank 0 has taken since its last `Launch`, oldest first. What they sampled
    counts as known in `plan`."""


class LoadAdapter(msgspec.Struct, frozen=True, tag=True):
    """Read an adapter, and copy this rank's part of it into a slot that no request uses. Every rank
    then says in `Channel.agree` whether it could."""

    slot: int
    folder: str
    revision: str
    """Of what rank 0 read. On another host there may be something else in that place."""


Message = Launch | LoadAdapter


class Channel:
    """Messages from rank 0 to all others, in one collective each unless they are unusually large.

    Every rank receives what rank 0 sends, between the same two collectives of the model.
    """

    def __init__(self, parallel: DistributedParallel) -> None:
        self._parallel = parallel
        self._usual = torch.zeros(_USUAL_BYTES, dtype=torch.uint8)
        self._bytes = self._usual.numpy().data
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)

    def send(self, message: Message) -> None:
        body = self._encoder.encode(message)
        _HEADER.pack_into(self._bytes, 0, len(body))
        first, rest = body[: self._room], body[self._room :]
        self._bytes[_HEADER.size : _HEADER.size + len(first)] = first
        self._parallel.broadcast(self._usual)
        if rest:
            self._parallel.broadcast(_as_tensor(rest))

    def receive(self) -> Message:
        """Waits for the next message, however long that takes."""
        self._parallel.broadcast(self._usual)
        (size,) = _HEADER.unpack_from(self._bytes)
        body = bytes(self._bytes[_HEADER.size : _HEADER.size + size])
        if size > self._room:
            rest = self._parallel.broadcast(torch.empty(size - self._room, dtype=torch.uint8))
            body += rest.numpy().tobytes()
        return self._decoder.decode(body)

    def agree(self, able: bool) -> bool:
        """Whether every rank is."""
        return self._parallel.least(int(able)) == 1

    @property
    def _room(self) -> int:
        return len(self._bytes) - _HEADER.size


def _as_tensor(body: bytes) -> Tensor:
    # A copy, since tensors must be writable.
    return torch.frombuffer(bytearray(body), dtype=torch.uint8)
