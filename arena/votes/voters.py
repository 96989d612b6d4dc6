"""Who voted, without keeping who it was."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import date

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from rostra.arena.votes.models import VoterSalt

SALT_BYTES = 32
_SHOWN_BYTES = 16
_SALT = select(VoterSalt.salt).where(VoterSalt.day == bindparam("day"))


def pseudonym(connection: Connection, voter: str, day: date) -> str:
    """Of `voter` (an address, a cookie, a login) on `day`: HMAC-SHA256 (RFC 2104) under that day's
    random salt.

    Two votes of one voter on one day share a pseudonym. The salts of earlier days are deleted,
    after which nobody, the operator included, can tell whom a pseudonym stood for. Must run inside
    a writing transaction.
    """
    salt = connection.scalar(_SALT, {"day": day}) or _make(connection, day)
    digest = hmac.new(salt, voter.encode(errors="surrogatepass"), hashlib.sha256).digest()
    return digest[:_SHOWN_BYTES].hex()


def _make(connection: Connection, day: date) -> bytes:
    """The salt of `day`: this one, or another process's that was faster."""
    connection.execute(delete(VoterSalt).where(VoterSalt.day < day))
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(VoterSalt)
    connection.execute(
        insert.values(day=day, salt=secrets.token_bytes(SALT_BYTES)).on_conflict_do_nothing()
    )
    return connection.execute(_SALT, {"day": day}).scalar_one()
