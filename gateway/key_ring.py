"""The keys that hold now, which the file may change while the gateway runs."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from rostra.gateway.api_keys import ApiKey, ApiKeys
from rostra.gateway.errors import GatewayError
from rostra.gateway.file_watch import FileWatch

logger = logging.getLogger(__name__)

LOOK_INTERVAL = 1.0
"""Seconds from one look at the file to the next."""


class KeyRing:
    """Raises GatewayError where the file is wrong at first. Once it was right, a file that is wrong
    changes nothing."""

    def __init__(self, path: Path) -> None:
        # Before it is read: a change in between is one more look, and not one less.
        self._watch = FileWatch([path])
        self._path = path
        self._keys = ApiKeys.read(path)

    def find(self, secret: str) -> ApiKey | None:
        return self._keys.find(secret)

    def look(self) -> None:
        """Takes in a file that has changed."""
        if not self._watch.changed():
            return
        try:
            self._keys = ApiKeys.read(self._path)
        except GatewayError as error:
            logger.error("%s; the keys read before stay in force until it is mended", error)
        else:
            logger.info("read the API keys again: there are %d", len(self._keys))

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL)
            self.look()
