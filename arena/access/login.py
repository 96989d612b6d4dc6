"""A login as its cookie keeps it, and what it lets one do now."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Literal, get_args

from rostra.arena.access.keys import lasts
from rostra.arena.access.settings import (
    AccessSettings,
    Grant,
    OAuthRule,
    PersonalKey,
    SharedPassword,
)

Way = Literal["password", "key", "oauth"]


@dataclass(frozen=True)
class Login:
    """Who has logged in, and how; not what they may do, which is the settings' to say at each
    request. So who is taken out of the settings is out at once."""

    way: Way
    entry: str
    """Name of the password or the key; the realm of an account."""
    mark: str = ""
    """Of the password or the key as it was, so that a changed one ends the logins with it."""
    subject: str = ""
    """Of an account: the provider's unchanging name of it."""
    user: str = ""
    """Of an account, where the provider has unique names besides."""
    email: str = ""
    """Of an account, verified."""
    member_of: tuple[str, ...] = ()
    """Of an account: those of its groups that rules ask for."""

    @classmethod
    def by_password(cls, entry: SharedPassword) -> Login:
        return cls("password", entry.name, _mark(entry.hash))

    @classmethod
    def by_key(cls, entry: PersonalKey) -> Login:
        return cls("key", entry.name, _mark(entry.sha256))

    @property
    def key(self) -> str | None:
        """What tells this voter from others; `None` where many share the login."""
        if self.way == "password":
            return None
        return f"key {self.entry}" if self.way == "key" else f"login {self.entry} {self.subject}"

    @property
    def name(self) -> str:
        """To be shown."""
        return self.email or self.user or self.subject or self.entry

    def grant(self, settings: AccessSettings) -> Grant | None:
        """What it lets one do; `None` where it has ended or was never let in."""
        if self.way == "password":
            return self._same(settings.password)
        if self.way == "key":
            entry = self._same(settings.key)
            return entry if isinstance(entry, PersonalKey) and lasts(entry) else None
        if settings.oauth is None or self.entry != settings.oauth.realm:
            return None
        met = [rule for rule in settings.oauth.allow if self._meets(rule)]
        if not met:
            return None
        return Grant(
            groups=tuple(sorted({group for rule in met for group in rule.groups})),
            analyst=any(rule.analyst for rule in met),
            admin=any(rule.admin for rule in met),
        )

    def needed_of(self, settings: AccessSettings) -> Login:
        """Without the groups that no rule asks for: a cookie holds 4,096 bytes."""
        rules = settings.oauth.allow if settings.oauth else ()
        asked = {group for rule in rules for group in rule.members_of}
        return replace(self, member_of=tuple(sorted(asked & set(self.member_of))))

    def _same(self, entries: tuple[SharedPassword, ...] | tuple[PersonalKey, ...]) -> Grant | None:
        for entry in entries:
            kept = entry.hash if isinstance(entry, SharedPassword) else entry.sha256
            if entry.name == self.entry and _mark(kept) == self.mark:
                return entry
        return None

    def _meets(self, rule: OAuthRule) -> bool:
        email = self.email.lower()
        return (
            rule.everybody
            or bool(email and email in rule.emails)
            or bool(email and email.rpartition("@")[2] in rule.domains)
            or self._named(rule)
            or bool(set(self.member_of) & set(rule.members_of))
        )

    def _named(self, rule: OAuthRule) -> bool:
        """Names are as the provider has them, and whose number is somebody's name is not that
        somebody."""
        if self.user:
            return self.user.lower() in {user.lower() for user in rule.users}
        return self.subject in rule.users

    def dump(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def load(cls, text: str) -> Login | None:
        """`None` for one of another version."""
        try:
            fields = json.loads(text)
            login = cls(**{**fields, "member_of": tuple(fields["member_of"])})
        except (ValueError, TypeError, KeyError):
            return None
        return login if login.way in get_args(Way) else None


def _mark(kept: str) -> str:
    return hashlib.sha256(kept.encode()).hexdigest()[:16]
