"""How often one voter, and all at one address, may ask and vote."""

from __future__ import annotations

import ipaddress
import logging
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal, Protocol
from weakref import WeakSet

from pyrate_limiter import Duration, MonotonicClock, Rate, TokenBucket

from rostra.arena.access.settings import LimitSettings
from rostra.arena.access.voter import Voter
from rostra.arena.errors import ToldVoterError
from rostra.arena.texts import Texts

logger = logging.getLogger(__name__)

Kind = Literal["question", "vote", "image", "login"]
TEXTS: dict[Kind, str] = {
    "question": "limit.question",
    "vote": "limit.vote",
    "image": "limit.image",
    "login": "limit.login",
}
MOST_KEYS = 100_000
"""Voters and addresses whose buckets are kept, some 20 MB. Beyond that, those are forgotten that
came longest ago, and begin with full buckets."""


class Running(Protocol):
    """A round."""

    @property
    def ended(self) -> bool:
        """Whether its answers have, for now."""


class Buckets:
    """Token buckets by key: full at first, and full again an interval after they were empty."""

    def __init__(self, now: Callable[[], int], most_keys: int = MOST_KEYS) -> None:
        self._now = now
        self._most_keys = most_keys
        self._algorithm = TokenBucket()
        self._states: OrderedDict[tuple[str, str], tuple[float, ...]] = OrderedDict()

    def take(self, kind: str, rates: dict[str, Rate]) -> float:
        """One token from the bucket of each key, or from none of them.

        Returns 0, or the seconds until all have one.
        """
        now = self._now()
        taken, wait = {}, 0
        for key, rate in rates.items():
            old = self._states.get((kind, key)) or self._algorithm.initial([rate])
            taken[kind, key], decision = self._algorithm.step([rate], old, now, 1)
            wait = max(wait, decision.retry_after_ms or 0)
        if not wait:
            for at, state in taken.items():
                self._states[at] = state
                self._states.move_to_end(at)
            while len(self._states) > self._most_keys:
                self._states.popitem(last=False)
        return wait / 1000

    def __len__(self) -> int:
        return len(self._states)


class Limits:
    """Of one process. A voter whose requests go to several has as many buckets."""

    def __init__(self, settings: LimitSettings, now: Callable[[], int] | None = None) -> None:
        """`now`: milliseconds of a clock that never goes back."""
        self.leaving = False
        """Whether the arena takes no new questions, because it is about to end."""
        self._settings = settings
        self._buckets = Buckets(now or MonotonicClock().now)
        self._rounds: dict[str, WeakSet[Running]] = {}
        self._tidy_at = 1000
        given = settings
        self._rates: dict[Kind, tuple[Rate | None, Rate | None]] = {
            "question": (
                _rate(given.questions_per_minute, Duration.MINUTE),
                _rate(given.address_questions_per_minute, Duration.MINUTE),
            ),
            "vote": (
                _rate(given.votes_per_hour, Duration.HOUR),
                _rate(given.address_votes_per_hour, Duration.HOUR),
            ),
            "image": (
                _rate(given.images_per_hour, Duration.HOUR),
                _rate(given.address_images_per_hour, Duration.HOUR),
            ),
            "login": (None, _rate(given.logins_per_minute, Duration.MINUTE)),
        }

    def check(self, kind: Kind, voter: Voter, texts: Texts) -> None:
        """Counts one. Raises `ToldVoterError`, which says when to come back, and counts none."""
        voters, addresses = self._rates[kind]
        rates = {}
        if voters is not None:
            rates[voter.key] = voters
        if addresses is not None:
            rates[network(voter.address)] = addresses
        wait = self._buckets.take(kind, rates)
        if wait:
            logger.info("refused: too many at once, %s", kind)
            raise ToldVoterError(texts(TEXTS[kind], wait=waiting(wait, texts)))

    def begin_round(self, voter: Voter, begun: Running, texts: Texts) -> None:
        """Counts a round until its answers have ended.

        Raises `ToldVoterError` where too many others of the voter, or of the address, have not, and
        where the arena is about to end.
        """
        if self.leaving:
            raise ToldVoterError(texts("limit.leaving"))
        most = {
            voter.key: self._settings.rounds,
            network(voter.address): self._settings.address_rounds,
        }
        for key, number in most.items():
            running = [each for each in self._rounds.get(key, ()) if not each.ended]
            if number is not None and len(running) - (begun in running) >= number:
                logger.info("refused: too many at once, rounds")
                raise ToldVoterError(texts("limit.rounds"))
        for key, number in most.items():
            if number is not None:
                self._rounds.setdefault(key, WeakSet()).add(begun)
        if len(self._rounds) > self._tidy_at:
            self._rounds = {
                key: rounds
                for key, rounds in self._rounds.items()
                if not all(each.ended for each in rounds)
            }
            self._tidy_at = max(1000, 2 * len(self._rounds))


def network(address: str) -> str:
    """What an address is counted as: households and hosts have whole /64 networks of IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"network {address}"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return f"network {parsed.ipv4_mapped}"
        return f"network {ipaddress.ip_network((parsed, 64), strict=False)}"
    return f"network {parsed}"


def waiting(seconds: float, texts: Texts) -> str:
    """`5 minutes`, and the like; never too short."""
    if seconds <= 90:
        number = max(math.ceil(seconds), 1)
        return texts("limit.second" if number == 1 else "limit.seconds", count=number)
    return texts("limit.minutes", count=math.ceil(seconds / 60))


def _rate(number: int | None, interval: Duration) -> Rate | None:
    return None if number is None else Rate(number, interval)
