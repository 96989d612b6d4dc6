"""What a voter may do with a battle, and what is said where that is refused."""

from __future__ import annotations

import hashlib
import hmac
import logging

from sqlalchemy.orm import Session

from rostra.arena.errors import VoteRefusedError
from rostra.arena.matchmaking import SIDES, Side
from rostra.arena.votes.log.redacted import is_redacted
from rostra.arena.votes.models import Battle
from rostra.arena.votes.records import Ticket
from rostra.arena.votes.texts import storable

logger = logging.getLogger(__name__)


def entitled(session: Session, ticket: Ticket, *, locked: bool = True) -> Battle:
    """The battle of a ticket, nobody else's until the transaction ends if `locked`."""
    battle = session.get(Battle, storable(ticket.battle_id), with_for_update=locked or None)
    if (
        battle is None
        or is_redacted(battle)
        or not hmac.compare_digest(battle.token_sha256, digest(ticket.token))
    ):
        raise refused(ticket, "This vote does not belong to a round. Take a new pair.")
    return battle


def votable(battle: Battle, ticket: Ticket) -> None:
    if battle.mode == "direct":
        raise refused(ticket, "A direct chat has nothing to vote on.")
    if battle.failed:
        raise refused(ticket, "An answer of this round failed. Take a new pair.")
    last = len(battle.turns) - 1
    if {answer.side for answer in battle.answers if answer.turn == last} != set(SIDES):
        raise refused(ticket, "Wait until both answers have ended.")


def sides(battle: Battle) -> tuple[Side, ...]:
    return SIDES[:1] if battle.mode == "direct" else SIDES


def refused(ticket: Ticket, why: str) -> VoteRefusedError:
    # The id may be anything a browser sent.
    logger.warning("refused on battle %.40r: %s", ticket.battle_id, why)
    return VoteRefusedError(why)


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
