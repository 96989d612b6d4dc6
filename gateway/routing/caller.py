"""What a request tells of who asks."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Literal

from rostra.gateway.routing.rendezvous import key_of


@dataclass(frozen=True, slots=True)
class Caller:
    cache_key: str | None = None
    user: str | None = None
    key: str | None = None
    """Name of the API key."""
    draw: int = 0
    """64 random bits: what is left to chance is the same for all that one HTTP request asks."""

    @classmethod
    def of(cls, body: Any, key: str | None) -> Caller:
        """`body`: any request model of any API."""
        metadata = getattr(body, "metadata", None)
        user = (
            getattr(body, "user", None)
            or getattr(body, "safety_identifier", None)
            or getattr(metadata, "user_id", None)
        )
        return cls(getattr(body, "prompt_cache_key", None), user, key, random.getrandbits(64))

    def session(self, hash_on: Literal["conversation", "user", "key"]) -> int | None:
        """64 bits. None where the request does not tell."""
        if hash_on == "user" and self.user:
            return key_of(f"user\n{self.user}")
        if hash_on == "key" and self.key:
            return key_of(f"key\n{self.key}")
        if self.cache_key:
            # Of one caller: others who choose the same words share nothing.
            return key_of(f"cache\n{self.key}\n{self.cache_key}")
        return None

    @property
    def identity(self) -> int | None:
        """64 bits, of who gets the same of several models each time."""
        name = self.key or self.user or self.cache_key
        return None if name is None else key_of(f"caller\n{name}")


NOBODY = Caller()
