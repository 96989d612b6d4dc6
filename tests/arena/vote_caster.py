"""A process that casts votes until it is killed."""

from __future__ import annotations

import random
from multiprocessing.connection import Connection

from sqlalchemy.exc import DBAPIError
from vote_rounds import answered

from rostra.arena.votes.records import OUTCOMES, REASON_TAGS
from rostra.arena.votes.store import VoteStore


def cast(url: str, seed: int, told: Connection) -> None:
    """Tells of each vote and of each set of reasons as soon as it is acknowledged. Ends when the
    database does."""
    chance = random.Random(seed)
    try:
        store = VoteStore(url)
        while True:
            ticket = answered(store)
            outcome = chance.choice(OUTCOMES)
            store.vote(ticket, outcome)
            told.send(("vote", ticket.battle_id, outcome))
            tag = chance.choice(REASON_TAGS)
            store.give_reasons(ticket, [tag])
            told.send(("reasons", ticket.battle_id, tag))
    except DBAPIError:
        told.send(("lost", "", ""))
