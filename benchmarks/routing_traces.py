"""Traces of requests whose prompts begin alike, for the simulator of routing.

A prompt is a sequence of keys, each the name of the prefix that ends with its block: prompts share
blocks as far as their keys are equal. Times are those of an open loop: clients do not wait for the
simulated answers, so that every policy gets the very same requests.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

BLOCK_TOKENS = 64
"""Of a key."""
ANSWER_SECONDS = 4.0
"""That a client of several turns needs to get an answer, about; then it reads and thinks."""


@dataclass(frozen=True, slots=True)
class Arrival:
    time: float
    """Seconds."""
    session: int
    keys: tuple[int, ...]
    """Of the prompt."""
    answer: tuple[int, ...]
    """Of the answer, which is cached behind the prompt."""
    output_tokens: int

    @property
    def prompt_tokens(self) -> int:
        return BLOCK_TOKENS * len(self.keys)


class Texts:
    """Draws texts that nobody has written before."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def fresh(self, tokens: float) -> tuple[int, ...]:
        return tuple(self.rng.getrandbits(64) for _ in range(max(1, round(tokens / BLOCK_TOKENS))))

    def length(self, mean: float) -> float:
        """Log-normal, as lengths of texts are."""
        return mean * self.rng.lognormvariate(-0.32, 0.8)

    def output(self, mean: float) -> int:
        return max(8, min(1024, round(self.length(mean))))


def zipf(rng: random.Random, count: int, exponent: float = 1.1) -> Callable[[], int]:
    """Draws ranks: a few are popular."""
    weights = [1 / (rank + 1) ** exponent for rank in range(count)]
    ranks = range(count)
    return lambda: rng.choices(ranks, weights)[0]


def _starts(rng: random.Random, per_second: float, seconds: float) -> Iterator[float]:
    """A Poisson process."""
    time = rng.expovariate(per_second)
    while time < seconds:
        yield time
        time += rng.expovariate(per_second)


def _conversation(
    texts: Texts, start: float, opening: tuple[int, ...], turns: int, pause: float, said: float
) -> Iterator[Arrival]:
    """Each turn's prompt is all that was said before, and a new message."""
    rng, session, history = texts.rng, texts.rng.getrandbits(64), opening
    for _ in range(turns):
        history += texts.fresh(texts.length(said))
        output = texts.output(300)
        answer = texts.fresh(output)
        yield Arrival(start, session, history, answer, output)
        history += answer
        start += ANSWER_SECONDS + rng.expovariate(1 / pause)


def _turns(rng: random.Random, mean: float) -> int:
    """Geometric."""
    turns = 1
    while rng.random() > 1 / mean and turns < 40:
        turns += 1
    return turns


def chat(rng: random.Random, rate: float, seconds: float) -> Iterator[Arrival]:
    """Conversations of six turns, under one of 30 system prompts."""
    texts = Texts(rng)
    systems = [texts.fresh(texts.length(500)) for _ in range(30)]
    pick = zipf(rng, len(systems))
    for start in _starts(rng, rate / 6, seconds):
        system = systems[pick()]
        yield from _conversation(texts, start, system, _turns(rng, 6), 4.0, 150)


def system_prompts(rng: random.Random, rate: float, seconds: float) -> Iterator[Arrival]:
    """Single questions under one of 50 long system prompts, the first far more popular."""
    texts = Texts(rng)
    systems = [texts.fresh(texts.length(2500)) for _ in range(50)]
    pick = zipf(rng, len(systems))
    for start in _starts(rng, rate, seconds):
        yield from _conversation(texts, start, systems[pick()], 1, 1.0, 150)


def agents(rng: random.Random, rate: float, seconds: float) -> Iterator[Arrival]:
    """Loops of twelve calls of tools in quick succession, behind tools and worked examples that
    many share."""
    texts = Texts(rng)
    kits = [texts.fresh(texts.length(3000)) for _ in range(100)]
    pick = zipf(rng, len(kits), 0.9)
    for start in _starts(rng, rate / 12, seconds):
        yield from _conversation(texts, start, kits[pick()], _turns(rng, 12), 1.0, 300)


def unrelated(rng: random.Random, rate: float, seconds: float) -> Iterator[Arrival]:
    """Single questions that have nothing in common."""
    texts = Texts(rng)
    for start in _starts(rng, rate, seconds):
        yield from _conversation(texts, start, (), 1, 1.0, 1200)


def mixed(rng: random.Random, rate: float, seconds: float) -> Iterator[Arrival]:
    """A quarter of each."""
    for kind in (chat, system_prompts, agents, unrelated):
        yield from kind(rng, rate / 4, seconds)


TRACES = {kind.__name__: kind for kind in (chat, system_prompts, agents, unrelated, mixed)}


def draw(kind: str, rate: float, seconds: float, seed: int) -> list[Arrival]:
    """`rate` requests a second on average, from time 0 until `seconds`, in order."""
    arrivals = TRACES[kind](random.Random(f"{kind} {seed}"), rate, seconds)
    return sorted(
        (one for one in arrivals if one.time < seconds), key=lambda one: (one.time, one.session)
    )
