"""Who voted, without keeping who it was."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import date

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from rostra.arena.votes.models import VoterSalt

SALT_BYTES = 32
_SHOWN_BYTES = 16


def pseudonym(session: Session, voter: str, day: date) -> str:
    """Of `voter` (an address, a cookie, a login) on `day`: HMAC-SHA256 (RFC 2104) under that day's
    random salt.

    Two votes of one voter on one day share a pseudonym. The salts of earlier days are deleted,
    after which nobody, the operator included, can tell whom a pseudonym stood for. Must run inside
    a writing transaction.
    """
    stored = session.get(VoterSalt, day) or _make(session, day)
    digest = hmac.new(stored.salt, voter.encode(errors="surrogatepass"), hashlib.sha256).digest()
    return digest[:_SHOWN_BYTES].hex()


def _make(session: Session, day: date) -> VoterSalt:
    """The salt of `day`: this one, or another process's that was faster."""
    session.execute(delete(VoterSalt).where(VoterSalt.day < day))
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    insert = (sqlite.insert if on_sqlite else postgresql.insert)(VoterSalt)
    session.execute(
        insert.values(day=day, salt=secrets.token_bytes(SALT_BYTES)).on_conflict_do_nothing()
    )
    return session.get_one(VoterSalt, day)
