"""Simulated voters who prefer the shorter of two answers, and the battles that they vote on.

The battles are real ones: two contestants answer through the gateway, the store takes the battle
before the answers, each answer as it ends, and then the one vote, with its entry in the log.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from rostra.arena.contestant import Contestant
from rostra.arena.gateway_client import Delta, End, GatewayClient, Message
from rostra.arena.identity import give_aways, reveals
from rostra.arena.matchmaking import Pair, Side
from rostra.arena.votes.records import EndedAnswer, Outcome
from rostra.arena.votes.store import VoteStore

NUM_VOTERS = 8
CARELESS = 0.05
"""Share of votes that look at nothing."""
AT_ONCE = 8
TIMEOUT = 600.0
TOPICS = (
    *("rain", "bread", "a bicycle", "a volcano", "honey", "the moon", "a library", "salt"),
    *("a river", "coffee", "a piano", "the wind", "a garden", "wool", "an island", "chess"),
    *("a candle", "glass", "a bridge", "snow", "a clock", "silk", "a lighthouse", "rice"),
    *("a mirror", "a forest", "paper", "a kite", "copper", "a harbour", "olive oil", "a drum"),
    *("a compass", "a beehive", "clay", "a violin", "fog", "a market", "cotton", "a map"),
)
QUESTIONS = ("What is {}?", "Why do people like {}?", "Where would I find {}?")


@dataclass(frozen=True)
class Told:
    """One answer, as the voter reads it."""

    text: str
    finish_reason: str | None

    @property
    def words(self) -> int:
        return len(self.text.split())


@dataclass(frozen=True)
class Fought:
    left: str
    right: str
    outcome: Outcome
    words: dict[str, int]
    """By contestant."""


def questions(number: int, *, fresh: bool) -> list[str]:
    """`number` different ones; the topics of the fresh ones are in no other."""
    half = len(TOPICS) // 2
    topics = TOPICS[half:] if fresh else TOPICS[:half]
    every = [question.format(topic) for question in QUESTIONS for topic in topics]
    return list(itertools.islice(itertools.cycle(every), number))


def preferred(left: Told, right: Told, rng: random.Random) -> Outcome:
    """The shorter; a tie where the number of words is the same."""
    if rng.random() < CARELESS:
        return rng.choice(("a", "b"))
    if left.words == right.words:
        return "tie"
    return "a" if left.words < right.words else "b"


async def fight(
    store: VoteStore,
    gateway: str,
    contestants: Sequence[Contestant],
    asked: Sequence[str],
    campaign: str,
    seed: int,
) -> list[Fought]:
    """One battle for each question, the two on sides that are drawn, and the votes on them."""
    rng = random.Random(seed)
    room = asyncio.Semaphore(AT_ONCE)
    async with GatewayClient(gateway, None, TIMEOUT) as client:

        async def battle(number: int, question: str, first: int, coin: random.Random) -> Fought:
            async with room:
                pair = Pair(contestants[first], contestants[1 - first])
                voter = f"voter {number % NUM_VOTERS}"
                ticket = store.open_battle(
                    pair,
                    question,
                    voter,
                    campaign=campaign,
                    matchmaking={"policy": "uniform", "probability": 1.0},
                )
                sides: tuple[Side, Side] = ("a", "b")
                answers = await asyncio.gather(
                    *(_answer(client, store, ticket.battle_id, pair, s, question) for s in sides)
                )
                outcome = preferred(*answers, coin)
                store.vote(ticket, outcome)
                words = {pair[s].name: told.words for s, told in zip(sides, answers, strict=True)}
                return Fought(pair.a.name, pair.b.name, outcome, words)

        return list(
            await asyncio.gather(
                *(
                    battle(number, question, rng.randrange(2), random.Random(rng.random()))
                    for number, question in enumerate(asked)
                )
            )
        )


async def _answer(
    client: GatewayClient, store: VoteStore, battle: str, pair: Pair, side: Side, question: str
) -> Told:
    clock = asyncio.get_running_loop().time
    began, text, end = clock(), "", None
    asked = [Message(role="user", content=question)]
    async with aclosing(client.answer(pair[side], asked)) as parts:
        async for part in parts:
            if isinstance(part, Delta):
                text += part.text
            elif isinstance(part, End):
                end = part
    assert end is not None
    ended = EndedAnswer(
        text,
        clock() - began,
        finish_reason=end.finish_reason,
        model_revision=end.revision,
        prompt_tokens=end.prompt_tokens,
        completion_tokens=end.completion_tokens,
    )
    revealed = reveals(text, give_aways([pair.a, pair.b]))
    store.end_answer(battle, 0, side, ended, revealed)
    return Told(text, end.finish_reason)
