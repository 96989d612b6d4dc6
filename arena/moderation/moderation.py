"""Whether a question may be put to anybody."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rostra.arena.moderation.endpoint import Endpoint, UnansweredError
from rostra.arena.moderation.lists import WordLists
from rostra.arena.moderation.settings import ModerationSettings

logger = logging.getLogger(__name__)

UNANSWERED = "endpoint: no verdict"
"""The rule under which a question is refused that could not be judged."""


@dataclass(frozen=True)
class Refusal:
    rule: str
    """`list NAME`, `endpoint CATEGORY` or `UNANSWERED`."""

    @property
    def judged(self) -> bool:
        """Whether it is for what the question says."""
        return self.rule != UNANSWERED


@dataclass
class EndpointHealth:
    """How the endpoint has answered since the arena began."""

    answered: int = 0
    unanswered: int = 0
    last_answer: datetime | None = None
    last_failure: datetime | None = None
    failure: str = ""
    """What came last in place of a verdict."""


class Moderation:
    """Word lists first, which cost nothing, then the endpoint."""

    def __init__(self, settings: ModerationSettings) -> None:
        """Reads the lists. Raises `ArenaError` for what cannot be used."""
        self._lists = WordLists(settings.lists)
        self._endpoint = None if settings.endpoint is None else Endpoint(settings.endpoint)
        self._allows_unanswered = (
            settings.endpoint is not None and settings.endpoint.unanswered == "allow"
        )
        self.checks = bool(settings.lists) or settings.endpoint is not None
        """Whether anything can be refused."""
        self.health = EndpointHealth()

    @property
    def asks(self) -> bool:
        """Whether a check waits for an endpoint."""
        return self._endpoint is not None

    async def close(self) -> None:
        if self._endpoint is not None:
            await self._endpoint.close()

    async def check(self, text: str, images: Sequence[str] = ()) -> Refusal | None:
        """`None`: it may be asked. The text is not kept or logged. `images`: as `data:` URLs, which
        only an endpoint that takes images is shown."""
        if (name := self._lists.find(text)) is not None:
            return Refusal(f"list {name}")
        if self._endpoint is None:
            return None
        try:
            category = await self._endpoint.category(text, images)
        except UnansweredError as error:
            return self._unanswered(str(error))
        self.health.answered += 1
        self.health.last_answer = datetime.now(UTC)
        return None if category is None else Refusal(f"endpoint {category}"[:200])

    def _unanswered(self, why: str) -> Refusal | None:
        self.health.unanswered += 1
        self.health.last_failure = datetime.now(UTC)
        self.health.failure = why
        logger.warning(
            "the moderation endpoint gave no verdict (%s); the question is %s",
            why,
            "let through" if self._allows_unanswered else "refused",
        )
        return None if self._allows_unanswered else Refusal(UNANSWERED)
