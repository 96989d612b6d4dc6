"""All campaigns of one arena: those of the configuration file, and those of the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from rostra.arena.access.voter import Voter
from rostra.arena.campaigns import stored
from rostra.arena.campaigns.campaign import Campaign
from rostra.arena.campaigns.settings import DEFAULT, CampaignSettings
from rostra.arena.errors import ArenaError
from rostra.arena.settings import ArenaSettings
from rostra.arena.votes.models import LogHead
from rostra.arena.votes.store import VoteStore

logger = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds from one look at the store to the next."""


class Campaigns:
    """Campaigns by name. Those of the store come, change and go while the arena runs: whatever
    process they were changed in, each knows within some `EVERY` seconds."""

    def __init__(self, settings: ArenaSettings, store: VoteStore) -> None:
        """Opens all of them. Blocks; raises `ArenaError` for one of the file that cannot be opened;
        one of the store is left out, and named in `faults`."""
        self._settings = settings
        self._store = store
        self._of_file = {each.name: each for each in settings.campaigns}
        self._of_file.setdefault(DEFAULT, CampaignSettings(name=DEFAULT))
        self._lock = asyncio.Lock()
        self.faults: dict[str, str] = {}
        """By name, why a campaign of the store is not to be had."""
        self.on_change: Callable[[], object] = lambda: None
        """Called on the event loop when there are other campaigns than before."""
        self._campaigns: dict[str, Campaign] = {}
        self._campaigns = self._read()

    def get(self, name: str) -> Campaign | None:
        return self._campaigns.get(name)

    @property
    def default(self) -> Campaign:
        return self._campaigns[DEFAULT]

    def all(self) -> list[Campaign]:
        """The default one first, then as in the file, then those of the store by name."""
        return list(self._campaigns.values())

    def seen_by(self, voter: Voter) -> list[Campaign]:
        return [each for each in self.all() if each.admits(voter)]

    def check(self, settings: CampaignSettings) -> None:
        """Whether it could be kept in the store. Blocks; raises ArenaError."""
        if settings.name in self._of_file:
            raise ArenaError(
                f"campaign {settings.name!r}: it is in the configuration file; change it there"
            )
        Campaign.open(settings, self._settings)

    async def reload(self) -> None:
        """Looks at the store now. What cannot be read stays as it was."""
        async with self._lock:
            try:
                found = await asyncio.to_thread(self._read)
            except (ArenaError, SQLAlchemyError, OSError) as error:
                logger.warning("campaigns stay as they are: %s", error)
                return
            changed = found != self._campaigns
            self._campaigns = found
        if changed:
            self.on_change()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.reload()

    def _read(self) -> dict[str, Campaign]:
        with self._store.reading() as session:
            kept = stored.read(session)
            head = session.scalar(select(LogHead.seq)) or 0
        wanted: dict[str, tuple[int, CampaignSettings]] = {
            name: (0, settings) for name, settings in sorted(self._of_file.items(), key=_first)
        }
        faults = {}
        for name, (version, settings) in sorted(kept.campaigns.items()):
            try:
                wanted[name] = (version, self._valid(name, settings))
            except ArenaError as error:
                faults[name] = str(error)
        found = {}
        for name, (version, valid) in wanted.items():
            try:
                found[name] = self._opened(name, version, valid, kept.paused, wanted)
            except ArenaError as error:
                if not version:
                    raise
                faults[name] = str(error)
        for name in faults.keys() - self.faults.keys():
            logger.error("%s; mend or delete it on the admin page", faults[name])
        self.faults = faults
        for campaign in found.values():
            self._count(campaign, head)
        return found

    def _opened(
        self,
        name: str,
        version: int,
        settings: CampaignSettings,
        all_paused: Mapping[str, frozenset[str]],
        every: Iterable[str],
    ) -> Campaign:
        before = self._campaigns.get(name)
        paused = all_paused.get(name, frozenset())
        others = frozenset(every) - {name}
        if (
            before is not None
            and before.version == version
            and before.without == (frozenset() if before.arena.refresh.campaigns else others)
        ):
            return before if before.paused == paused else before.with_paused(paused)
        return Campaign.open(
            settings,
            self._settings,
            paused=paused,
            others=others,
            source="store" if version else "file",
            version=version,
            before=before,
        )

    def _valid(self, name: str, settings: dict[str, Any]) -> CampaignSettings:
        if name in self._of_file:
            raise ArenaError(f"campaign {name!r} of the store: the configuration file has one too")
        try:
            return CampaignSettings.model_validate(settings)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ArenaError(f"campaign {name!r}: {where}: {first['msg']}") from None

    def _count(self, campaign: Campaign, head: int) -> None:
        target, progress = campaign.settings.target, campaign.progress
        if target is not None and progress.counted_at != head:
            progress.votes = self._store.number_of_votes(campaign.name, target)
            progress.counted_at = head


def _first(entry: tuple[str, CampaignSettings]) -> bool:
    """The default one sorts first; the others stay in order."""
    return entry[0] != DEFAULT
