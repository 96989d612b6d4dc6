"""One arena of several: what it takes to play in it, and who may."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Literal

from rostra.arena.access.voter import Voter
from rostra.arena.campaigns.logo import Logo, read_logo
from rostra.arena.campaigns.settings import CampaignSettings
from rostra.arena.contestant import Contestant
from rostra.arena.errors import ArenaError
from rostra.arena.matchmaking import Policy
from rostra.arena.matchmaking.build import open_policy
from rostra.arena.matchmaking.evidence import of_store
from rostra.arena.prompts import Prompts, read_prompts
from rostra.arena.rendering import render
from rostra.arena.results import ResultsReader
from rostra.arena.settings import ArenaSettings
from rostra.arena.standings import StandingsReader
from rostra.arena.texts import Language, Texts, texts
from rostra.arena.votes.store import VoteStore

Stage = Literal["before", "open", "closed"]
Source = Literal["file", "store"]


@dataclass
class Progress:
    """Votes of a campaign with a target, as far as this process knows; up to the target."""

    votes: int = 0
    counted_at: int = -1
    """Of the log, the entry up to which they were counted."""


@dataclass(frozen=True, eq=False)
class Campaign:
    """As it is now: when its settings or its paused contestants change, another one takes its place
    in `Campaigns`, with the same `progress`, `standings` and `results`."""

    settings: CampaignSettings
    arena: ArenaSettings
    """The arena's settings as they are in this campaign: its title, contestants and so on."""
    paused: frozenset[str]
    """Names of contestants that are in no round for now."""
    matchmaker: Policy | None
    """None while fewer than two can meet."""
    prompts: Prompts
    standings: StandingsReader
    results: ResultsReader
    progress: Progress
    logo: Logo | None = None
    source: Source = "file"
    version: int = 0
    """Of a campaign of the store."""
    without: frozenset[str] = frozenset()
    """Campaigns whose votes are not rated in this one; matters to one that takes those of all."""

    @classmethod
    def open(
        cls,
        settings: CampaignSettings,
        arena: ArenaSettings,
        *,
        paused: frozenset[str] = frozenset(),
        others: frozenset[str] = frozenset(),
        source: Source = "file",
        version: int = 0,
        before: Campaign | None = None,
    ) -> Campaign:
        """Reads its files and votes, so it blocks. `arena`: the arena's own settings; `others`: the
        other campaigns. Raises `ArenaError`, which names the campaign."""
        try:
            within = settings.within(arena)
            logo = read_logo(settings.logo) if settings.logo else None
            file = within.prompts_file
            every = read_prompts(file, within.max_prompt_chars) if file else ()
        except (ArenaError, ValueError) as error:
            raise ArenaError(f"campaign {settings.name!r}: {error}") from None
        kept = before is not None and before.arena.ratings_dir == within.ratings_dir
        same_target = before is not None and before.settings.target == settings.target
        campaign = cls(
            settings=settings,
            arena=within,
            paused=paused,
            matchmaker=None,
            prompts=Prompts(every, within.suggested_prompts or ()),
            standings=before.standings if before and kept else StandingsReader(within.ratings_dir),
            results=before.results if before and kept else ResultsReader(within.ratings_dir),
            progress=before.progress if before and same_target else Progress(),
            logo=logo,
            source=source,
            version=version,
            without=frozenset() if within.refresh.campaigns else others,
        )
        return campaign.with_paused(paused)

    def with_paused(self, paused: frozenset[str]) -> Campaign:
        """The same with other contestants paused. Blocks, as its policy reads votes."""
        matchmaking = self.arena.matchmaking
        every = tuple(dict.fromkeys((*matchmaking.paused, *paused)))
        drawn = self.arena.model_copy(
            update={"matchmaking": matchmaking.model_copy(update={"paused": every})}
        )
        votes = of_store(drawn.votes_url, drawn.refresh.campaigns, sorted(self.without))
        try:
            matchmaker = open_policy(drawn, votes)
        except ArenaError:
            matchmaker = None
        return replace(self, paused=paused, matchmaker=matchmaker)

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def base(self) -> str:
        """What its addresses begin with: nothing, or `/c/NAME`."""
        return self.settings.base

    @property
    def title(self) -> str:
        return self.arena.title

    @property
    def contestants(self) -> tuple[Contestant, ...]:
        """All of it, paused ones too."""
        return self.arena.contestants

    @property
    def playing(self) -> tuple[Contestant, ...]:
        return tuple(each for each in self.contestants if each.name not in self.paused)

    @property
    def meeting(self) -> tuple[Contestant, ...]:
        """Those that are in battles."""
        without = self.arena.matchmaking.paused
        return tuple(each for each in self.playing if each.name not in without)

    @property
    def home(self) -> str:
        """Address of its first page."""
        return self.base or "/"

    def consent_html(self, language: Language) -> str:
        """What a voter agrees to, safe whatever it says; empty where nothing is asked."""
        text = self.settings.consent_in(language)
        return _rendered(text) if text else ""

    def number_of_votes(self, store: VoteStore) -> int:
        """That its ratings would be computed from now. Blocks."""
        return store.number_of_comparisons(
            campaigns=self.arena.refresh.campaigns, without=self.without
        )

    @property
    def reached(self) -> bool:
        """Whether there are as many votes as are wanted."""
        target = self.settings.target
        return target is not None and self.progress.votes >= target

    def admits(self, voter: Voter) -> bool:
        audience = self.settings.audience
        return not audience or voter.admin or not voter.groups.isdisjoint(audience)

    def stage(self, now: datetime) -> Stage:
        """Questions are taken while it is open, votes on rounds that were begun then always."""
        settings = self.settings
        if settings.opens is not None and now < settings.opens:
            return "before"
        if settings.closes is not None and now >= settings.closes:
            return "closed"
        return "closed" if self.reached and settings.at_target == "close" else "open"

    def texts(self, language: Language) -> Texts:
        """The catalogue, with the campaign's own texts in it."""
        catalogue = texts(language)
        tables = self.settings.texts.get(language, {})
        own = {f"{table}.{key}": text for table, of in tables.items() for key, text in of.items()}
        return Texts(language, catalogue.entries | own) if own else catalogue


@lru_cache(maxsize=64)
def _rendered(text: str) -> str:
    return render(text)
