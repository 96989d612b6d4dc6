"""Sends chat requests to an OpenAI-compatible server and keeps the time of every event."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

WORDS = (
    "river stone letter window garden paper music winter bridge market yellow doctor engine "
    "island simple candle forest mirror silver planet summer history kitchen traveller machine "
    "shadow village question morning distance"
).split()

Bodies = Iterator[dict[str, Any]]


@dataclass
class Outcome:
    """One request as the client saw it. Times are seconds of `time.perf_counter()`."""

    sent: float
    events: list[float] = field(default_factory=list)
    """When each piece of content arrived. One piece may hold several tokens."""
    ended: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    error: str | None = None

    @property
    def first_token(self) -> float:
        """Time to first token, in seconds."""
        return self.events[0] - self.sent

    @property
    def gaps(self) -> list[float]:
        """Inter-token latencies: times between pieces of content, in seconds."""
        return [b - a for a, b in zip(self.events, self.events[1:], strict=False)]


@dataclass(frozen=True)
class Shape:
    """What every request asks for."""

    model: str
    prompt_words: int
    max_tokens: int
    ignore_eos: bool
    temperature: float
    seed: int

    def bodies(self) -> Bodies:
        """Endless requests with different prompts, so that no prefix is shared.

        Take one iterator for all runs against a server: a second one repeats the prompts of the
        first, which the server may still have cached.
        """
        words = random.Random(self.seed)
        while True:
            body: dict[str, Any] = {
                "model": self.model,
                "messages": [
                    {"role": "user", "content": " ".join(words.choices(WORDS, k=self.prompt_words))}
                ],
                "max_tokens": self.max_tokens,
                "temperature": self.temperature,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
            if self.ignore_eos:
                body["ignore_eos"] = True
            yield body


class Client:
    """A pool of connections to one server."""

    def __init__(self, url: str, api_key: str | None, timeout: float) -> None:
        self.endpoint = url.rstrip("/").removesuffix("/v1") + "/v1/chat/completions"
        self._session = aiohttp.ClientSession(
            headers={"authorization": f"Bearer {api_key}"} if api_key else {},
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=timeout),
        )

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(self, body: dict[str, Any]) -> Outcome:
        """One request from start to end. Failures are in the outcome, never raised."""
        outcome = Outcome(sent=time.perf_counter())
        try:
            async with self._session.post(self.endpoint, json=body) as response:
                if response.status != 200:
                    outcome.error = f"{response.status}: {(await response.text())[:200]}"
                else:
                    async for event in events(response):
                        self._record(event, outcome)
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
            outcome.error = outcome.error or f"{type(error).__name__}: {error}"
        outcome.ended = time.perf_counter()
        if outcome.error is None and not outcome.events:
            outcome.error = "the stream ended with no content"
        return outcome

    @staticmethod
    def _record(event: dict[str, Any], outcome: Outcome) -> None:
        if error := event.get("error"):
            outcome.error = str(error.get("message", error))
        if any(choice["delta"].get("content") for choice in event.get("choices", ())):
            outcome.events.append(time.perf_counter())
        if usage := event.get("usage"):
            outcome.prompt_tokens = usage["prompt_tokens"]
            outcome.completion_tokens = usage["completion_tokens"]


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """The JSON events of a server-sent event stream, up to `[DONE]`.

    Raises ClientPayloadError when the stream ends without it.
    """
    async for line in response.content:
        if line.startswith(b"data:"):
            data = line[5:].strip()
            if data == b"[DONE]":
                return
            yield orjson.loads(data)
    raise aiohttp.ClientPayloadError("the stream ended before [DONE]")


async def closed_loop(
    client: Client, bodies: Bodies, streams: int, requests: int, done: Callable[[], None]
) -> list[Outcome]:
    """`streams` clients, each sending its next request when its last one has ended."""
    queue = [next(bodies) for _ in range(requests)]
    outcomes: list[Outcome] = []

    async def stream() -> None:
        while queue:
            outcomes.append(await client.send(queue.pop()))
            done()

    await asyncio.gather(*(stream() for _ in range(streams)))
    return outcomes


async def open_loop(
    client: Client,
    bodies: Bodies,
    rate: float,
    requests: int,
    seed: int,
    done: Callable[[], None],
) -> list[Outcome]:
    """Requests arrive by a Poisson process of `rate` a second, however busy the server is; their
    times follow from `seed`."""
    arrivals = random.Random(seed)

    async def one(body: dict[str, Any]) -> Outcome:
        outcome = await client.send(body)
        done()
        return outcome

    async with asyncio.TaskGroup() as group:
        tasks = []
        for _ in range(requests):
            tasks.append(group.create_task(one(next(bodies))))
            await asyncio.sleep(arrivals.expovariate(rate))
    return [task.result() for task in tasks]
