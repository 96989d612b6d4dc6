"""What a voter may do with a battle, and what is said where that is refused."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Sequence
from typing import Any

from rostra.arena.errors import VoteRefusedError
from rostra.arena.matchmaking import SIDES, Side
from rostra.arena.votes.log.redacted import is_redacted
from rostra.arena.votes.records import Ticket

logger = logging.getLogger(__name__)


def belongs(battle: Any, ticket: Ticket) -> Any:
    """The `battle` of the ticket's id, if there is one. As everywhere here it has the attributes of
    `rostra.arena.votes.models.Battle`."""
    if (
        battle is None
        or is_redacted(battle)
        or not hmac.compare_digest(battle.token_sha256, digest(ticket.token))
    ):
        raise refused(ticket, "This vote does not belong to a round. Take a new pair.")
    return battle


def votable(battle: Any, turns: Sequence[Any], answers: Sequence[Any], ticket: Ticket) -> None:
    if battle.mode == "direct":
        raise refused(ticket, "A direct chat has nothing to vote on.")
    if battle.failed:
        raise refused(ticket, "An answer of this round failed. Take a new pair.")
    last = len(turns) - 1
    if {answer.side for answer in answers if answer.turn == last} != set(SIDES):
        raise refused(ticket, "Wait until both answers have ended.")


def sides(battle: Any) -> tuple[Side, ...]:
    return SIDES[:1] if battle.mode == "direct" else SIDES


def refused(ticket: Ticket, why: str) -> VoteRefusedError:
    # The id may be anything a browser sent.
    logger.warning("refused on battle %.40r: %s", ticket.battle_id, why)
    return VoteRefusedError(why)


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
