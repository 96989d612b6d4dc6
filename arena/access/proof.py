"""Work that a browser proves before it may ask, after Hashcash (Back, 2002), over SHA-256.

The challenge is signed and says whom it is for, so that nothing is kept of it before it is solved.
A solution is the number that, written behind the challenge and a colon, gives a hash which begins
with so many zero bits.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from rostra.arena.access.settings import ProofSettings
from rostra.arena.access.voter import Voter

logger = logging.getLogger(__name__)

LIFETIME = 300.0
"""Seconds for which a challenge can be solved."""
MOST_VOTERS = 100_000
"""Whose proofs are kept. Beyond that, those who asked longest ago prove again."""
LONGEST = 20
"""Characters of a solution."""


class ProofRefusedError(Exception):
    """A solution that solves nothing of ours. The line is for the log."""


class Proofs:
    """Of one process: a challenge is signed with a key that dies with it."""

    def __init__(self, settings: ProofSettings, now: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._now = now
        self._key = secrets.token_bytes(32)
        self._credit: OrderedDict[str, int] = OrderedDict()
        self._spent: OrderedDict[str, float] = OrderedDict()

    def spend(self, voter: Voter) -> bool:
        """Whether one more question is proven, which it is not after this one. A voter who has
        logged in is known, and proves nothing."""
        if not self._settings.bits or voter.name is not None:
            return True
        left = self._credit.pop(voter.key, 0)
        if left > 1:
            self._credit[voter.key] = left - 1
        return left > 0

    def challenge(self, voter: Voter) -> str:
        """What `voter` is to solve."""
        until = int(self._now() + LIFETIME)
        text = f"{self._settings.bits}.{until}.{secrets.token_hex(16)}"
        return f"{text}.{self._sign(text, voter)}"

    def take(self, voter: Voter, challenge: str, solution: str) -> None:
        """Credits `voter` with questions. Raises `ProofRefusedError` for a challenge that is not
        ours, another voter's, too old or used, and for a wrong solution."""
        text, _, signature = challenge.rpartition(".")
        expected = self._sign(text, voter)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            raise ProofRefusedError("the challenge is not ours, or another voter's")
        bits, until, nonce = text.split(".")
        now = self._now()
        if now > int(until):
            raise ProofRefusedError("the challenge is too old")
        if nonce in self._spent:
            raise ProofRefusedError("the challenge is solved already")
        if len(solution) > LONGEST or leading_zeros(f"{challenge}:{solution}") < int(bits):
            raise ProofRefusedError("that is no solution")
        self._forget(now)
        self._spent[nonce] = float(until)
        self._credit[voter.key] = self._settings.questions
        self._credit.move_to_end(voter.key)
        while len(self._credit) > MOST_VOTERS:
            self._credit.popitem(last=False)

    def _sign(self, text: str, voter: Voter) -> str:
        message = f"{text}|{voter.key}".encode(errors="surrogatepass")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()

    def _forget(self, now: float) -> None:
        """Those that are too old to be solved again, of which each cost its work."""
        while self._spent and next(iter(self._spent.values())) < now - LIFETIME:
            self._spent.popitem(last=False)


def leading_zeros(text: str) -> int:
    """Bits of the SHA-256 of `text`."""
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
    return 256 - int.from_bytes(digest, "big").bit_length()
