"""Personal keys at rest: SHA-256 of 256 random bits, which nobody can search through."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from rostra.arena.access.settings import PersonalKey

PREFIX = "rv-"


def new_key() -> tuple[str, str]:
    """A key and what the configuration keeps of it."""
    key = PREFIX + secrets.token_urlsafe(32)
    return key, _digest(key)


def find(
    key: str, entries: Iterable[PersonalKey], now: datetime | None = None
) -> PersonalKey | None:
    """The entry of `key`, unless it has expired. All entries are compared, wherever it stands."""
    digest = _digest(key)
    found = None
    for entry in entries:
        if hmac.compare_digest(digest, entry.sha256):
            found = entry
    return found if found is not None and lasts(found, now) else None


def lasts(entry: PersonalKey, now: datetime | None = None) -> bool:
    return entry.expires is None or (now or datetime.now(UTC)) < entry.expires


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
