"""What becomes of voters' pseudonyms on their way in and out."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from typing import Literal, get_args

Identities = Literal["hashed", "stripped", "kept"]
IDENTITIES: tuple[Identities, ...] = get_args(Identities)
LONGEST = 64
_SHOWN_BYTES = 16
_UNKNOWN = "?"


class Pseudonyms:
    """Those of one export or import. The salt is random and goes with the object, so nobody, its
    maker included, can tell later whom a hash stood for or join two exports by it."""

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(32)

    def hashed(self, voter: str) -> str:
        digest = hmac.new(self._salt, voter.encode(errors="surrogatepass"), hashlib.sha256)
        return digest.digest()[:_SHOWN_BYTES].hex()

    def shown(self, voter: str, identities: Identities) -> str | None:
        """A stored pseudonym as an export shows it; None for an unknown voter too."""
        if identities == "stripped" or voter.startswith(_UNKNOWN):
            return None
        return voter if identities == "kept" else self.hashed(voter)

    def taken(self, voter: str | None, battle_id: str) -> str:
        """A file's name for a voter as the store keeps it: hashed if it is an address. Who is not
        named is somebody else in each battle."""
        if not voter or voter.startswith(_UNKNOWN):
            return f"{_UNKNOWN}{battle_id}"
        return self.hashed(voter) if _is_address(voter) or len(voter) > LONGEST else voter


def _is_address(voter: str) -> bool:
    if "@" in voter:
        return True
    try:
        ipaddress.ip_address(voter.strip("[]").split("%")[0])
    except ValueError:
        return False
    return True
