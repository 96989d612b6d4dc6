"""Which contestants take images."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from rostra.arena.contestant import Contestant
from rostra.arena.errors import AnswerError
from rostra.arena.gateway_client import GatewayClient

logger = logging.getLogger(__name__)

INTERVAL = 15.0
"""Seconds."""


class ImageTakers:
    """As the settings say, and where they say nothing as the gateway's list of models did when it
    last had one."""

    def __init__(self, client: GatewayClient) -> None:
        self._client = client
        self._served: frozenset[str] = frozenset()
        self._complaint = ""

    def takes(self, contestant: Contestant) -> bool:
        if contestant.images is not None:
            return contestant.images
        return contestant.served_name in self._served

    def among(self, contestants: Iterable[Contestant]) -> list[Contestant]:
        return [each for each in contestants if self.takes(each)]

    async def read(self) -> None:
        """Asks the gateway. Where it gives no list what was known before stands."""
        try:
            models = await self._client.models()
        except AnswerError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                logger.warning("which contestants take images is as it was known: %s", error)
            return
        self._complaint = ""
        self._served = frozenset(name for name, takes in models.items() if "image" in takes)

    async def run(self) -> None:
        while True:
            await self.read()
            await asyncio.sleep(INTERVAL)
