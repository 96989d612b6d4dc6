"""Signs the log at intervals, in the arena's own process."""

from __future__ import annotations

import asyncio
import json
import logging

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from rostra.arena.errors import ArenaError
from rostra.arena.votes.database import open_database
from rostra.arena.votes.log.chain import HEAD
from rostra.arena.votes.log.checkpoints import SignedHead, sign
from rostra.arena.votes.log.keys import read_key
from rostra.arena.votes.log.settings import CheckpointSettings
from rostra.arena.votes.models import LogHead

logger = logging.getLogger(__name__)


class Signer:
    """Whoever collects the arena's own log of events has the checkpoints elsewhere: each is a line
    of it, in the form that `rostra votes verify --checkpoint` reads."""

    def __init__(self, votes_url: str, settings: CheckpointSettings) -> None:
        """Blocks. Raises `ArenaError` for a key that cannot be read, or that others may read."""
        self._key = read_key(settings.key)
        self._interval = settings.interval
        self._engine = open_database(votes_url)
        self._signed = 0

    async def run(self) -> None:
        """Until it is cancelled. One that fails is tried again at the next interval."""
        try:
            while True:
                try:
                    signed = await asyncio.to_thread(self.sign)
                except (ArenaError, DBAPIError) as error:
                    logger.warning("cannot sign the log of votes: %s", error)
                else:
                    if signed is not None:
                        logger.info("checkpoint %s", json.dumps(signed.to_json()))
                await asyncio.sleep(self._interval)
        finally:
            self._engine.dispose()

    def sign(self) -> SignedHead | None:
        """Signs the head; `None` where there is nothing that this signer has not signed."""
        with self._engine.connect() as connection:
            seq = connection.scalar(select(LogHead.seq).where(LogHead.id == HEAD)) or 0
        if seq == self._signed:
            return None
        signed = sign(self._engine, self._key)
        self._signed = signed.seq
        return signed
