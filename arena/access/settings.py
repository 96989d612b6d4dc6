"""Settings of who may do what: the table `[arena.access]`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    field_validator,
    model_validator,
)

from rostra.arena.access.passwords import HASH

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$")]
"""Of a password, a key or a group of voters, as logs and the vote store have it."""
Guarded = Literal["analyst", "leaderboard"]
Provider = Literal["generic", "google", "azurev2", "gitlab", "auth0", "okta", "github", "bitbucket"]
ISSUERS = {
    "google": "https://accounts.google.com",
    "azurev2": "https://login.microsoftonline.com/{tenant}/v2.0",
    "gitlab": "https://{url}",
    "auth0": "https://{subdomain}.auth0.com/",
    "okta": "https://{url}/oauth2/{server}",
}
"""Of the providers that speak OpenID Connect."""


def _hashed(value: str) -> str:
    if not HASH.fullmatch(value):
        raise ValueError("not a hash of a password: make one with `rostra access password`")
    return value


def _lower(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value.strip().lower() for value in values)


Lowered = Annotated[tuple[str, ...], AfterValidator(_lower)]


class Grant(BaseModel):
    """What somebody is let do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: tuple[Name, ...] = ()
    """Of voters, which campaigns admit and votes are kept with."""
    analyst: bool = False
    """Sees what `AccessSettings.guarded` names."""
    admin: bool = False
    """Sees and changes what is behind `/admin`, and sees what an analyst does."""


class SharedPassword(Grant):
    """One password for many voters. Each of their browsers is a voter of its own."""

    name: Name
    hash: Annotated[str, AfterValidator(_hashed)]
    """By `rostra access password`."""


class PersonalKey(Grant):
    """Of one voter, in the login form or as `Authorization: Bearer KEY`."""

    name: Name
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """By `rostra access key`."""
    expires: AwareDatetime | None = None


class OAuthRule(Grant):
    """Who may log in with an account of elsewhere: whoever meets one of the conditions."""

    emails: Lowered = ()
    domains: Lowered = ()
    """Of e-mail addresses, what stands behind the `@`."""
    users: tuple[str, ...] = ()
    """The provider's names or numbers of users: a login of GitHub, the `sub` of an OpenID token."""
    members_of: tuple[str, ...] = ()
    """Groups by the provider's names, from `OAuthSettings.groups_claim`."""
    everybody: bool = False

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        conditions = (self.emails, self.domains, self.users, self.members_of)
        if self.everybody and any(conditions):
            raise ValueError("everybody leaves nothing for emails, domains, users or members_of")
        if not self.everybody and not any(conditions):
            raise ValueError("allow: name emails, domains, users or members_of, or everybody")
        return self


class OAuthSettings(BaseModel):
    """Login with an account of elsewhere, by OAuth 2 or OpenID Connect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Provider = "generic"
    """`generic`: any that speaks OpenID Connect, by its `issuer`."""
    issuer: str | None = Field(default=None, pattern=r"^https?://")
    """Of OpenID Connect: where `/.well-known/openid-configuration` is found. Those of known
    providers are known, and can be replaced."""
    client_id: str = Field(min_length=1)
    client_secret: str | None = None
    """`None`: `$ROSTRA_OAUTH_SECRET`, or none for a client without one."""
    label: str = ""
    """Of the button. Default: the name of the provider, or the host of the issuer."""
    scopes: tuple[str, ...] | None = None
    """Default: `openid`, `email` and `profile`; none without OpenID Connect."""
    groups_claim: str = "groups"
    unverified_emails: bool = False
    """Take an address that the provider does not say is verified. Only where users cannot choose
    theirs."""
    redirect_uri: str | None = Field(default=None, pattern=r"^https?://")
    """Default: `/login/callback` on the host that the browser asked for."""
    provider_settings: dict[str, str] = {}
    """Of which the issuer is made: `tenant` of Azure, `subdomain` of Auth0, `url` of Okta and
    GitLab, `server` of Okta."""
    allow: tuple[OAuthRule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if self.provider == "generic" and self.issuer is None:
            raise ValueError("oauth: the provider 'generic' needs an issuer")
        try:
            _ = self.realm
        except KeyError as error:
            raise ValueError(f"oauth: {self.provider} needs provider_settings.{error}") from None
        return self

    @field_validator("issuer", "redirect_uri")
    @classmethod
    def _encrypted(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "https://")
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError(f"{url} is not encrypted: use https, except on this machine")
        return url

    @property
    def speaks_openid(self) -> bool:
        return self.issuer is not None or self.provider in ISSUERS

    @property
    def realm(self) -> str:
        """Within which names of users are unique: the issuer, or the name of the provider."""
        if self.issuer is not None or self.provider not in ISSUERS:
            return self.issuer or self.provider
        defaults = {"server": "default"}
        if self.provider == "gitlab":
            defaults["url"] = "gitlab.com"
        return ISSUERS[self.provider].format(**{**defaults, **self.provider_settings})

    @property
    def shown(self) -> str:
        """What voters know it by."""
        names = {"azurev2": "Microsoft", "github": "GitHub", "gitlab": "GitLab"}
        if self.provider == "generic":
            return self.label or urlsplit(self.realm).netloc
        return self.label or names.get(self.provider, self.provider.capitalize())


class LimitSettings(BaseModel):
    """How often one may ask and vote; `None`: as often as they like."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    questions_per_minute: PositiveInt | None = None
    """Of one voter."""
    votes_per_hour: PositiveInt | None = None
    images_per_hour: PositiveInt | None = None
    """Uploaded."""
    rounds: PositiveInt | None = None
    """Whose answers are being written at once."""
    address_questions_per_minute: PositiveInt | None = None
    """Of all voters at one address: an IPv4 address, the first 64 bits of an IPv6 one."""
    address_votes_per_hour: PositiveInt | None = None
    address_images_per_hour: PositiveInt | None = None
    address_rounds: PositiveInt | None = None
    logins_per_minute: PositiveInt = 30
    """Attempts from one address, which a whole class may share."""


class ProofSettings(BaseModel):
    """Work that a browser does before it may ask, so that asking in bulk is dear."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bits: int = Field(default=0, ge=0, le=28)
    """0: none. Each more doubles the work; 18 are a second or less of a phone."""
    questions: PositiveInt = 20
    """That one proof is good for."""


class AccessSettings(BaseModel):
    """Who may vote, who sees the analyst's pages, who administers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    open: bool = True
    """Whether one votes without a login."""
    guarded: tuple[Guarded, ...] | None = None
    """What only analysts see. `None`: the analyst's pages, where a login makes an analyst."""
    password: tuple[SharedPassword, ...] = Field(default=(), max_length=20)
    key: tuple[PersonalKey, ...] = ()
    oauth: OAuthSettings | None = None
    session_hours: float = Field(default=12.0, gt=0, le=24 * 30)
    """After which one logs in again."""
    cookie_secret: str | None = Field(default=None, min_length=32)
    """Signs cookies and sessions. `None`: `$ROSTRA_COOKIE_SECRET`, else made once and kept beside
    the vote store."""
    limits: LimitSettings = LimitSettings()
    proof_of_work: ProofSettings = ProofSettings()

    @property
    def grants(self) -> tuple[Grant, ...]:
        return (*self.password, *self.key, *(self.oauth.allow if self.oauth else ()))

    @property
    def has_logins(self) -> bool:
        return bool(self.grants)

    @property
    def guards(self) -> frozenset[Guarded]:
        if self.guarded is not None:
            return frozenset(self.guarded)
        made = any(grant.analyst for grant in self.grants)
        return frozenset({"analyst"} if made else ())

    @model_validator(mode="after")
    def _somebody_can_come_in(self) -> Self:
        if not self.open and not self.has_logins:
            raise ValueError("access: open is false, and there is no password, key or oauth")
        if self.guarded and not any(grant.analyst or grant.admin for grant in self.grants):
            raise ValueError("access: guarded shuts everybody out; let a login be analyst or admin")
        _apart("password", (entry.name for entry in self.password))
        _apart("key", (entry.name for entry in self.key))
        return self


def _apart(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"access: two entries of {what} have the name {name!r}")
        seen.add(name)
