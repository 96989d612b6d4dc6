"""Who voted, without keeping who it was."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import date

from sqlalchemy import delete
from sqlalchemy.orm import Session

from rostra.arena.votes.models import VoterSalt

SALT_BYTES = 32
_SHOWN_BYTES = 16


def pseudonym(session: Session, address: str, day: date) -> str:
    """The voter at `address` on `day`: HMAC-SHA256 (RFC 2104) under that day's random salt.

    Two votes of one address on one day share a pseudonym. The salts of earlier days are deleted,
    after which nobody, the operator included, can tell which address a pseudonym stood for. Must
    run inside a writing transaction, which keeps two processes from making two salts.
    """
    stored = session.get(VoterSalt, day)
    if stored is None:
        session.execute(delete(VoterSalt).where(VoterSalt.day < day))
        stored = VoterSalt(day=day, salt=secrets.token_bytes(SALT_BYTES))
        session.add(stored)
    digest = hmac.new(stored.salt, address.encode(), hashlib.sha256).digest()
    return digest[:_SHOWN_BYTES].hex()
