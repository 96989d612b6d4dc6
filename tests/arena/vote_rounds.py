"""Battles for tests of the vote store."""

from __future__ import annotations

from typing import Any

from rostra.arena.contestant import Contestant
from rostra.arena.matchmaking import Pair
from rostra.arena.votes.records import EndedAnswer, Outcome, StoredVote, Ticket
from rostra.arena.votes.store import VoteStore

PAIR = Pair(
    Contestant(name="ariel", model="example/Ariel", system_prompt="Be airy."),
    Contestant(name="puck", model="example/Puck"),
)


def answered(
    store: VoteStore, prompt: str = "Who are you?", voter: str = "192.0.2.7", **given: Any
) -> Ticket:
    """A battle whose answers have ended."""
    ticket = store.open_battle(PAIR, prompt, voter, **given)
    for side in ("a", "b"):
        store.end_answer(ticket.battle_id, 0, side, ended(f"answer {side}"))
    return ticket


def ended(text: str, **given: Any) -> EndedAnswer:
    finish = None if "error" in given else "stop"
    return EndedAnswer(text=text, seconds=1.5, finish_reason=finish, **given)


def voted(store: VoteStore, outcome: Outcome = "a", **given: Any) -> tuple[Ticket, StoredVote]:
    ticket = answered(store, **given)
    return ticket, store.vote(ticket, outcome)
