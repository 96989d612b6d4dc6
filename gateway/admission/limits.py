"""How much one key may ask for: requests and tokens of a minute, and requests at once.

The arithmetic is pyrate-limiter's: a token bucket that is full at first, and full again a minute
after it was empty.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

from pyrate_limiter import Duration, MonotonicClock, Rate, TokenBucket

from rostra.gateway.api_keys import ApiKey
from rostra.gateway.errors import ApiError

Kind = Literal["requests", "tokens"]

_KINDS: tuple[Kind, ...] = ("requests", "tokens")
_ALGORITHM = TokenBucket()
_ANY_AMOUNT = 2**40
"""A burst that no request reaches: what was used is counted, also where there was less."""


LIMIT_HEADERS = (
    *(f"x-ratelimit-{what}-{kind}" for what in ("limit", "remaining", "reset") for kind in _KINDS),
    *(
        f"anthropic-ratelimit-{kind}-{what}"
        for what in ("limit", "remaining", "reset")
        for kind in _KINDS
    ),
)


class Bucket:
    """Of one limit. It may be in debt: what an answer takes is known when it was made."""

    def __init__(self, limit: int, now: Callable[[], int]) -> None:
        """`now`: milliseconds of a clock that never goes back."""
        self.limit = limit
        self._now = now
        self._rate = Rate(limit, Duration.MINUTE)
        self._unbounded = Rate(limit, Duration.MINUTE, burst=_ANY_AMOUNT)
        self._state = _ALGORITHM.initial([self._rate])

    def wait(self, amount: int) -> float | None:
        """Seconds until there is so much: 0 now, None never."""
        _, decision = _ALGORITHM.step([self._rate], self._state, self._now(), amount)
        if decision.allowed:
            return 0.0
        return None if decision.retry_after_ms is None else decision.retry_after_ms / 1000

    def use(self, amount: int) -> None:
        """Takes so much, or gives it back where it is negative."""
        self._state, _ = _ALGORITHM.step([self._unbounded], self._state, self._now(), amount)

    @property
    def remaining(self) -> int:
        used = _ALGORITHM.consumed([self._rate], self._state, self._now())
        return max(0, self.limit - used)

    @property
    def full_in(self) -> float:
        """Seconds until it is full again."""
        return max(0.0, self._state[0] / 1e6 - self._now() / 1e3)


class KeyLimits:
    """Those of one key, and what it has used."""

    def __init__(self, key: ApiKey, now: Callable[[], int]) -> None:
        self._now = now
        self._running = 0
        self._most = key.max_concurrent
        self.buckets: dict[Kind, Bucket] = {}
        self.update(key)

    def update(self, key: ApiKey) -> None:
        """Takes in limits that may be others now. What was used of one that is as before stays."""
        self._most = key.max_concurrent
        limits: dict[Kind, int | None] = {
            "requests": key.requests_per_minute,
            "tokens": key.tokens_per_minute,
        }
        for kind, limit in limits.items():
            known = self.buckets.get(kind)
            if limit is None:
                self.buckets.pop(kind, None)
            elif known is None or known.limit != limit:
                self.buckets[kind] = Bucket(limit, self._now)

    def begin(self, tokens: int) -> None:
        """Counts a request with so many tokens in its prompt. Raises ApiError (429) where it is too
        much, and counts nothing then."""
        if self._most is not None and self._running >= self._most:
            raise _refused(
                f"Too many requests at once: this API key may have {self._most} at this gateway",
                "requests",
                1.0,
            )
        asked: dict[Kind, int] = {"requests": 1, "tokens": tokens}
        for kind, bucket in self.buckets.items():
            wait = bucket.wait(asked[kind])
            if wait is None:
                raise _refused(
                    f"The request is too large: this API key may use {bucket.limit} {kind} a "
                    f"minute, and it has about {asked[kind]}",
                    kind,
                    None,
                )
            if wait:
                raise _refused(
                    f"Rate limit reached: this API key may use {bucket.limit} {kind} a minute "
                    f"at this gateway; come back in {duration(wait)}",
                    kind,
                    wait,
                )
        for kind, bucket in self.buckets.items():
            bucket.use(asked[kind])
        self._running += 1

    def end(self, more_tokens: int) -> None:
        """A request has ended that `begin` counted; it used so many more tokens, or fewer."""
        self._running -= 1
        if bucket := self.buckets.get("tokens"):
            bucket.use(more_tokens)

    def openai_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for kind, bucket in self.buckets.items():
            headers |= {
                f"x-ratelimit-limit-{kind}": str(bucket.limit),
                f"x-ratelimit-remaining-{kind}": str(bucket.remaining),
                f"x-ratelimit-reset-{kind}": duration(bucket.full_in),
            }
        return headers

    def anthropic_headers(self, today: datetime | None = None) -> dict[str, str]:
        """`today`: the moment, for tests."""
        headers: dict[str, str] = {}
        for kind, bucket in self.buckets.items():
            full = (today or datetime.now(UTC)) + timedelta(seconds=math.ceil(bucket.full_in))
            headers |= {
                f"anthropic-ratelimit-{kind}-limit": str(bucket.limit),
                f"anthropic-ratelimit-{kind}-remaining": str(bucket.remaining),
                f"anthropic-ratelimit-{kind}-reset": f"{full:%Y-%m-%dT%H:%M:%SZ}",
            }
        return headers


class Limits:
    """Of all keys, by name, so that a key keeps its own when it gets a new secret."""

    def __init__(self, now: Callable[[], int] | None = None) -> None:
        """`now`: milliseconds of a clock that never goes back."""
        self._now = now or MonotonicClock().now
        self._known: dict[str, tuple[ApiKey, KeyLimits]] = {}

    def of(self, key: ApiKey) -> KeyLimits:
        known = self._known.get(key.name)
        if known is None:
            limits = KeyLimits(key, self._now)
        else:
            before, limits = known
            if before is not key:
                limits.update(key)
        self._known[key.name] = key, limits
        return limits


def duration(seconds: float) -> str:
    """As the OpenAI API writes them, which is Go's notation: `6m0s`, `1.5s`, `20ms`."""
    milliseconds = math.ceil(round(seconds * 1000, 6))
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    whole, part = divmod(milliseconds, 1000)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest}.{part:03}".rstrip("0").rstrip(".") if part else str(rest)
    if hours:
        return f"{hours}h{minutes}m{text}s"
    return f"{minutes}m{text}s" if minutes else f"{text}s"


def _refused(message: str, kind: Kind, retry_after: float | None) -> ApiError:
    # The kind of the OpenAI API: what there was too much of.
    return ApiError(429, message, kind=kind, code="rate_limit_exceeded", retry_after=retry_after)
