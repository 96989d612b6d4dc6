"""The operator's signing key, in a file that only its owner may read."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from rostra.arena.errors import ArenaError


def make_key(path: Path) -> Ed25519PrivateKey:
    """Makes the key file (PEM, PKCS #8, mode 0600). Raises `ArenaError` when there is one."""
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ArenaError(f"cannot make the signing key {path}: {error.strerror}") from None
    return key


def read_key(path: Path) -> Ed25519PrivateKey:
    """Raises `ArenaError` when it is missing, is no key, or others may read it."""
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except OSError as error:
        raise ArenaError(f"cannot read the signing key {path}: {error.strerror}") from None
    if os.name == "posix" and mode & 0o077:
        raise ArenaError(
            f"others may read the signing key {path} (mode {mode & 0o777:o}): run chmod 600 on it, "
            "and make a new key if they have"
        )
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ArenaError(f"{path} is no Ed25519 key in PEM without a password")
    return key
