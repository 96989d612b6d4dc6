"""`[[arena.campaign]]`: what makes one arena of several."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    StringConstraints,
    field_validator,
    model_validator,
)

from rostra.arena.campaigns.colours import Accent
from rostra.arena.matchmaking.settings import MatchmakingSettings
from rostra.arena.refresh.settings import RefreshSettings
from rostra.arena.texts import FALLBACK, Language, texts
from rostra.arena.votes.records import MODES, Mode

if TYPE_CHECKING:
    from rostra.arena.settings import ArenaSettings

DEFAULT = "default"
"""The campaign of the [arena] table, at `/`."""
FOLDER = "campaigns"
"""In the folder of the ratings, those of the other campaigns, each in a folder of its name."""
LONGEST_CONSENT = 20_000
"""Characters."""

ConsentText = Annotated[str, StringConstraints(max_length=LONGEST_CONSENT)]
RequiredText = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_CONSENT)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,64}$")]
Overrides = dict[Language, dict[str, dict[str, str]]]
"""By language, table and key of the catalogue in `rostra.arena.texts`."""


class CampaignSettings(BaseModel):
    """A named arena. What is not set is as in the [arena] table, or as it says here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    """In the address, the vote store and the ratings' folder."""
    title: str = Field(default="", max_length=100)
    """Default: the name; of the campaign `default`, the arena's title."""
    logo: Path | None = None
    """PNG, JPEG, WebP or SVG; beside the title."""
    accent: Accent | None = None
    texts: Overrides = {}
    """In place of those of the catalogue, with the same placeholders."""
    consent: ConsentText | dict[Language, RequiredText] = ""
    """Markdown that a voter agrees to before the first question, or one by language; empty: nothing
    is asked."""
    contestants: tuple[str, ...] = ()
    """By name; none: all of the arena."""
    modes: Annotated[tuple[Mode, ...], Field(min_length=1)] = MODES
    language: Language | None = None
    prompts_file: Path | None = None
    suggested_prompts: tuple[str, str, str] | None = None
    audience: tuple[str, ...] = ()
    """Groups whose voters are let in; none: everybody."""
    target: PositiveInt | None = None
    """Votes that are wanted, of every mode. Voters see how many there are."""
    at_target: Literal["close", "go_on"] = "close"
    opens: AwareDatetime | None = None
    closes: AwareDatetime | None = None
    matchmaking: MatchmakingSettings | None = None
    """Default: pairs drawn uniformly; of the campaign `default`, the arena's."""
    refresh: RefreshSettings | None = None
    """Default: the arena's, but for its anchor and campaigns."""

    @field_validator("modes", "contestants", "audience")
    @classmethod
    def _each_once(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise ValueError(f"{twice[0]!r} is there twice")
        return values

    @field_validator("texts")
    @classmethod
    def _in_the_catalogue(cls, given: Overrides) -> Overrides:
        known = texts(FALLBACK).entries
        for language, tables in given.items():
            for table, entries in tables.items():
                for key, text in entries.items():
                    name = f"{table}.{key}"
                    if name not in known:
                        raise ValueError(f"{language}.{name}: there is no such text")
                    if _placeholders(text) - (allowed := _placeholders(known[name])):
                        some = ", ".join(f"{{{each}}}" for each in sorted(allowed)) or "none"
                        raise ValueError(f"{language}.{name}: it takes the placeholders {some}")
        return given

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.opens and self.closes and self.opens >= self.closes:
            raise ValueError("closes: it closes before it opens")
        if self.target is None and self.at_target != "close":
            raise ValueError("at_target: there is no target")
        if self.name != DEFAULT and self.refresh is not None and self.refresh.campaigns:
            raise ValueError("refresh.campaigns: a campaign rates its own votes; leave it out")
        return self

    @property
    def base(self) -> str:
        """What its addresses begin with."""
        return "" if self.name == DEFAULT else f"/c/{self.name}"

    def consent_in(self, language: Language) -> str:
        """The text for a page in `language`: of several without that one, the campaign's own
        language's, English, or the first."""
        if isinstance(self.consent, str):
            return self.consent
        wanted = (language, self.language, FALLBACK, *self.consent)
        found = (self.consent.get(each) for each in wanted if each is not None)
        return next((text for text in found if text), "")

    @cached_property
    def consent_hashes(self) -> frozenset[bytes]:
        """SHA-256 of each of its texts in UTF-8: agreeing to one of them does for all."""
        texts = [self.consent] if isinstance(self.consent, str) else list(self.consent.values())
        return frozenset(hashlib.sha256(text.encode()).digest() for text in texts if text)

    def within(self, arena: ArenaSettings) -> ArenaSettings:
        """`arena` as it is in this campaign. Raises ValueError, which begins with the key."""
        own = self.name == DEFAULT
        names = {each.name for each in arena.contestants}
        if unknown := [name for name in self.contestants if name not in names]:
            raise ValueError(f"contestants: {unknown[0]!r} is not a [[contestant]]")
        if len(self.contestants) == 1:
            raise ValueError("contestants: a campaign takes two at least, or none for all")
        contestants = tuple(
            each
            for each in arena.contestants
            if not self.contestants or each.name in self.contestants
        )
        matchmaking = self.matchmaking or (arena.matchmaking if own else MatchmakingSettings())
        matchmaking.check({each.name for each in contestants})
        prompts = ("prompts_file", "suggested_prompts")
        given = {
            key: getattr(self, key)
            for key in (*prompts, "language")
            if getattr(self, key) is not None
        }
        if set(prompts) & set(given):
            # A set of its own, and not one of them from here and the other from there.
            given = dict.fromkeys(prompts) | given
        return arena.model_copy(
            update={
                "title": self.title or (arena.title if own else self.name),
                "contestants": contestants,
                "matchmaking": matchmaking,
                "refresh": self._refresh(arena),
                "ratings_dir": arena.ratings_dir if own else arena.ratings_dir / FOLDER / self.name,
                "campaigns": (),
                **given,
            }
        )

    def _refresh(self, arena: ArenaSettings) -> RefreshSettings:
        if self.name == DEFAULT:
            return self.refresh or arena.refresh
        refresh = self.refresh or arena.refresh.model_copy(update={"anchor": None})
        return refresh.model_copy(update={"campaigns": (self.name,)})


def _placeholders(text: str) -> set[str]:
    try:
        return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None
