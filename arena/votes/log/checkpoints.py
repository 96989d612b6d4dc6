"""Checkpoints: signatures (Ed25519, RFC 8032) under the head of the log at a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Connection, Engine, select
from sqlalchemy.orm import Session

from rostra.arena.errors import ArenaError
from rostra.arena.votes.database import WRITES
from rostra.arena.votes.log.canonical import canonical, timestamp
from rostra.arena.votes.log.chain import HEAD
from rostra.arena.votes.models import Checkpoint, LogHead


@dataclass(frozen=True)
class SignedHead:
    """Says that the log had `seq` entries and the last of them the hash `hash`."""

    seq: int
    hash: bytes
    at: datetime
    public_key: bytes
    """Raw, 32 bytes."""
    signature: bytes

    @property
    def statement(self) -> bytes:
        """What is signed: canonical JSON of seq, hash (hex) and at."""
        return _statement(self.seq, self.hash, self.at)

    @property
    def genuine(self) -> bool:
        """Whether the signature is that of the public key."""
        try:
            key = Ed25519PublicKey.from_public_bytes(self.public_key)
            key.verify(self.signature, self.statement)
        except (InvalidSignature, ValueError):
            return False
        return True

    def to_json(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "hash": self.hash.hex(),
            "at": timestamp(self.at),
            "public_key": self.public_key.hex(),
            "signature": self.signature.hex(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SignedHead:
        """Raises ValueError, KeyError or TypeError for anything but what `to_json` makes."""
        return cls(
            seq=int(value["seq"]),
            hash=bytes.fromhex(value["hash"]),
            at=datetime.fromisoformat(value["at"]),
            public_key=bytes.fromhex(value["public_key"]),
            signature=bytes.fromhex(value["signature"]),
        )


def sign(engine: Engine, key: Ed25519PrivateKey) -> SignedHead:
    """Signs the head of the log as it is and stores the checkpoint; the stored one when this key
    has signed this head. Raises `ArenaError` for an empty log."""
    public_key = key.public_key().public_bytes_raw()
    with Session(engine.execution_options(**{WRITES: True})) as session, session.begin():
        head = session.get_one(LogHead, HEAD, with_for_update=True)
        if head.seq == 0:
            raise ArenaError("the log has no entry yet, so there is nothing to sign")
        stored = session.get(Checkpoint, (head.seq, public_key))
        if stored is None:
            now = datetime.now(UTC)
            stored = Checkpoint(
                seq=head.seq,
                public_key=public_key,
                hash=head.hash,
                at=now,
                signature=key.sign(_statement(head.seq, head.hash, now)),
            )
            session.add(stored)
        return _signed_head(stored)


def stored_checkpoints(connection: Connection) -> list[SignedHead]:
    """By seq."""
    rows = select(Checkpoint.__table__).order_by(Checkpoint.seq, Checkpoint.at)
    return [_signed_head(row) for row in connection.execute(rows)]


def _signed_head(row: Any) -> SignedHead:
    return SignedHead(row.seq, row.hash, row.at, row.public_key, row.signature)


def _statement(seq: int, hash: bytes, at: datetime) -> bytes:
    return canonical({"seq": seq, "hash": hash.hex(), "at": timestamp(at)}).encode()
