"""Shared passwords at rest: scrypt (RFC 7914)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

HASH = re.compile(r"scrypt\$(1[4-9]|20)\$8\$1\$([A-Za-z0-9+/]{22}==)\$([A-Za-z0-9+/]{43}=)")
"""`scrypt$log2 N$r$p$salt$key`, in base64. N within limits, since it costs 1 KiB each to try."""
LOG2_N = 15
"""32 MiB and some 80 ms to try one password."""
SHORTEST = 12
"""Characters. It has no user name beside it, and whoever guesses it is in."""


def hash_password(password: str) -> str:
    """What the configuration keeps. Raises ValueError for one that is too short."""
    if len(password) < SHORTEST:
        raise ValueError(f"the password has {len(password)} characters: use {SHORTEST} or more")
    salt = secrets.token_bytes(16)
    key = _derive(password, salt, LOG2_N)
    parts = (base64.b64encode(part).decode() for part in (salt, key))
    return "$".join(["scrypt", str(LOG2_N), "8", "1", *parts])


def matches(password: str, kept: str) -> bool:
    """Takes the same time whether it does or not."""
    parts = HASH.fullmatch(kept)
    if parts is None:
        raise ValueError("not a hash of a password")
    salt, key = base64.b64decode(parts[2]), base64.b64decode(parts[3])
    return hmac.compare_digest(_derive(password, salt, int(parts[1])), key)


def _derive(password: str, salt: bytes, log2_n: int) -> bytes:
    return hashlib.scrypt(
        password.encode(errors="surrogatepass"),
        salt=salt,
        n=1 << log2_n,
        r=8,
        p=1,
        maxmem=(1 << log2_n) * 1024 * 2,
        dklen=32,
    )
