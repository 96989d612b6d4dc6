"""Images between their upload and the question that they belong to."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rostra.arena.access.limits import Limits
from rostra.arena.access.voter import Voter
from rostra.arena.errors import ToldVoterError
from rostra.arena.images.picture import Picture
from rostra.arena.images.settings import ImageSettings
from rostra.arena.images.unpacking import NoPictureError, taken
from rostra.arena.texts import Texts

LIFETIME = 1800.0
"""Seconds."""
MOST_HELD = 256 * 2**20
"""Bytes of all that wait in this process."""
AT_ONCE = 2
"""Images that are unpacked."""


@dataclass
class Basket:
    """What one page has sent and not yet asked about. Its secret is known to that page alone."""

    voter: Voter
    texts: Texts
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    _kept: dict[str, tuple[float, Picture]] = field(default_factory=dict)

    def put(self, picture: Picture) -> str:
        """A reference by which this page can name it, once."""
        reference = secrets.token_urlsafe(16)
        self._kept[reference] = (time.monotonic(), picture)
        return reference

    def find(self, references: Sequence[str]) -> list[Picture]:
        """Raises `ToldVoterError` for one that is unknown here, used or too old."""
        self.forget_old()
        if len(set(references)) != len(references) or not self._kept.keys() >= set(references):
            raise ToldVoterError(self.texts("image.gone"))
        return [self._kept[reference][1] for reference in references]

    def drop(self, references: Sequence[str]) -> None:
        for reference in references:
            self._kept.pop(reference, None)

    def forget_old(self) -> None:
        before = time.monotonic() - LIFETIME
        self.drop([reference for reference, (at, _) in self._kept.items() if at < before])

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(len(picture.data) for _, picture in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)


class Uploads:
    """The baskets of the pages that are open in this process, whose browsers come back to it."""

    def __init__(self, settings: ImageSettings, limits: Limits) -> None:
        self.settings = settings
        self._limits = limits
        self._baskets: dict[str, Basket] = {}
        self._unpacking = asyncio.Semaphore(AT_ONCE)

    def open(self, voter: Voter, texts: Texts) -> Basket:
        """A basket for a page, which is to `close` it."""
        basket = Basket(voter, texts)
        self._baskets[basket.secret] = basket
        return basket

    def close(self, basket: Basket) -> None:
        self._baskets.pop(basket.secret, None)

    def of(self, secret: str, voter: Voter) -> Basket | None:
        """`None` where there is none, or it is another voter's."""
        basket = self._baskets.get(secret)
        return basket if basket is not None and basket.voter.key == voter.key else None

    async def take(self, basket: Basket, data: bytes) -> str:
        """Checks what a browser sent and keeps the image. Returns the reference to it, or raises
        `ToldVoterError`."""
        self._limits.check("image", basket.voter, basket.texts)
        self._make_room(basket)
        try:
            async with self._unpacking:
                picture = await asyncio.to_thread(taken, data, self.settings)
        except NoPictureError as error:
            settings = self.settings
            raise ToldVoterError(
                basket.texts(
                    error.key,
                    megabytes=f"{settings.max_bytes / 2**20:g}",
                    megapixels=f"{settings.max_pixels / 1e6:g}",
                )
            ) from None
        # Others may have come while it was unpacked.
        self._make_room(basket)
        return basket.put(picture)

    def _make_room(self, basket: Basket) -> None:
        for each in self._baskets.values():
            each.forget_old()
        if len(basket) >= self.settings.most:
            raise ToldVoterError(basket.texts("image.too_many", most=self.settings.most))
        if sum(each.size for each in self._baskets.values()) > MOST_HELD:
            raise ToldVoterError(basket.texts("image.busy"))
