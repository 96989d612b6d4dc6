"""Values as the one text that is hashed, and texts as commitments."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import rfc8785

_LARGEST_EXACT = 2**53 - 1


def canonical(value: Any) -> str:
    """Canonical JSON (RFC 8785). Integers that a double cannot hold become strings of their
    digits, as its appendix D recommends."""
    return rfc8785.dumps(plain(value)).decode()


def plain(value: Any) -> Any:
    """`value` with what `canonical` replaces replaced: what its text reads back as."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, int) and abs(value) > _LARGEST_EXACT:
        return str(value)
    return value


def canonical_hash(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def commitment(salt: bytes, text: str | None) -> str | None:
    """SHA-256 of `salt` and the text in UTF-8, in hex; `None` for no text.

    Without the salt nobody can find out a short text by trying; with it, anybody who is shown the
    text can check it.
    """
    return None if text is None else hashlib.sha256(salt + text.encode()).hexdigest()


def timestamp(moment: datetime) -> str:
    """RFC 3339, UTC, microseconds."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='microseconds')}Z"
