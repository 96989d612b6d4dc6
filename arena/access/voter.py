"""Who asks and votes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Voter:
    """One voter, for as long as one page of theirs is open."""

    key: str
    """What tells voters apart, with its kind in front: `address 192.0.2.1`, `cookie ...`,
    `login ...`. The vote store hashes it and does not keep it."""
    address: str
    """The network's, for limits alone; not stored."""
    groups: frozenset[str] = frozenset()
    """The operator's names for kinds of voters."""
    name: str | None = None
    """Of a login, to be shown to the voter and to be written beside the changes an admin makes."""
    analyst: bool = False
    """May see the pages of `/analyst` where these are guarded."""
    admin: bool = False
    """May see and change what is behind `/admin`."""
