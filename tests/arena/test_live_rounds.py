"""Rounds that outlive their page for a while, and references to tickets that are good once."""

from __future__ import annotations

import asyncio

import pytest

from rostra.arena import claims as claims_module
from rostra.arena.claims import LIFETIME, Claims
from rostra.arena.live import LiveRounds
from rostra.arena.votes.records import Ticket

TICKET = Ticket("b" * 32, "secret")


class Watched:
    """As much of a round as those who keep it need."""

    def __init__(self, battle_id: str = "b" * 32) -> None:
        self.ticket = Ticket(battle_id, "secret")
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


async def test_a_round_that_nobody_watches_ends_after_its_grace() -> None:
    live, current = LiveRounds(grace=0.01), Watched()
    live.watch(current)
    live.leave(current)
    assert live.find(current.ticket.battle_id) is current
    async with asyncio.timeout(10):
        while not current.closed:
            await asyncio.sleep(0.005)
    assert live.find(current.ticket.battle_id) is None


async def test_who_comes_back_in_time_goes_on() -> None:
    live, current = LiveRounds(grace=0.05), Watched()
    live.watch(current)
    live.leave(current)
    live.watch(current)
    await asyncio.sleep(0.15)
    assert live.find(current.ticket.battle_id) is current
    assert current.closed == 0


async def test_the_last_of_two_tabs_is_waited_for() -> None:
    live, current = LiveRounds(grace=0), Watched()
    live.watch(current)
    live.watch(current)
    live.leave(current)
    await asyncio.sleep(0.05)
    assert current.closed == 0
    live.leave(current)
    await asyncio.sleep(0.05)
    assert current.closed == 1


async def test_what_the_voter_is_done_with_ends_at_once_and_all_end_with_the_arena() -> None:
    live = LiveRounds(grace=60)
    rounds = [Watched(letter * 32) for letter in "abc"]
    for current in rounds:
        live.watch(current)
    await live.drop(rounds[0])
    assert [current.closed for current in rounds] == [1, 0, 0]
    await live.close()
    assert [current.closed for current in rounds] == [1, 1, 1]
    live.leave(rounds[0])  # its page goes after it


def test_a_claim_is_good_once() -> None:
    claims = Claims()
    first, second = claims.give(TICKET), claims.give(TICKET)
    assert first != second
    assert TICKET.token not in first
    assert claims.take(first) == TICKET
    assert claims.take(first) is None
    assert claims.take("made up") is None
    assert claims.take(second) == TICKET


def test_a_claim_is_good_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(claims_module.time, "monotonic", lambda: now)
    claims = Claims()
    old, kept = claims.give(TICKET), claims.give(TICKET)
    now += LIFETIME + 1
    assert claims.take(old) is None
    claims.give(TICKET)
    assert len(claims._tickets) == 1, kept


class Writing(Watched):
    def __init__(self) -> None:
        super().__init__()
        self.ended = False
        self.moment = asyncio.Event()

    async def next_moment(self) -> None:
        await self.moment.wait()


async def test_what_is_being_written_is_waited_for() -> None:
    live, current = LiveRounds(grace=60), Writing()
    live.watch(current)
    draining = asyncio.create_task(live.drain(60.0))
    await asyncio.sleep(0.05)
    assert not draining.done()
    current.ended = True
    current.moment.set()
    await asyncio.wait_for(draining, 10)
    assert current.closed == 0


async def test_what_is_never_ready_is_waited_for_no_longer_than_the_grace() -> None:
    live, current = LiveRounds(grace=60), Writing()
    live.watch(current)
    await asyncio.wait_for(live.drain(0.05), 10)
