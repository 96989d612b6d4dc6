"""Clients of a mesh that know beforehand what each of their questions is answered with."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
import orjson

from benchmarks.mesh_processes import MODEL, Mesh

Kind = Literal["right", "wrong", "refused", "broken off", "gateway lost", "undocumented", "hung"]

DOCUMENTED = frozenset(
    {
        "deadline_exceeded",
        "no_worker_available",
        "queue_full",
        "shutting_down",
        "worker_error",
    }
)
"""Codes of errors that a client may be told when workers fail; see docs/failover.md."""
_MARGIN = 0.003
"""Between the two most likely tokens of each position, as logarithms: what is closer could be
decided by the rounding of another batch."""
_RECONNECTS = 60
"""Attempts to find a gateway that takes the connection."""
_CANDIDATES = 20


@dataclass(frozen=True)
class Question:
    """A prompt with its own marker, and the only right answer."""

    prompt: str
    max_tokens: int
    text: str
    completion_tokens: int
    finish: str

    def body(self, *, stream: bool) -> dict[str, Any]:
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": self.prompt}],
            "temperature": 0,
            "max_tokens": self.max_tokens,
        }
        return body | (
            {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        )


async def questions(url: str, count: int, max_tokens: int) -> list[Question]:
    """Questions whose answers differ from each other, as the mesh answers them undisturbed."""
    found: dict[str, Question] = {}
    async with aiohttp.ClientSession() as session:
        for number in itertools.count():
            if len(found) == count:
                return list(found.values())
            if number == _CANDIDATES * count:
                raise SystemExit(f"of {number} questions {len(found)} have answers of their own")
            prompt = f"the marker {number:04d} of the fox"
            body = {
                "model": MODEL,
                "messages": [{"role": "user", "content": prompt}],
                "temperature": 0,
                "max_tokens": max_tokens,
                "logprobs": True,
                "top_logprobs": 2,
            }
            async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                answer = await response.json()
            choice = answer["choices"][0]
            steps = [each["top_logprobs"] for each in choice["logprobs"]["content"]]
            text = choice["message"]["content"]
            if text and all(a["logprob"] - b["logprob"] > _MARGIN for a, b in steps):
                used = answer["usage"]["completion_tokens"]
                found[text] = Question(prompt, max_tokens, text, used, choice["finish_reason"])
    raise AssertionError


@dataclass
class Outcome:
    kind: Kind
    seconds: float
    started: bool
    """Whether a part of the answer had come."""
    ended: float = field(default_factory=time.monotonic)
    detail: str = ""
    """The code of the error, or what was wrong."""


@dataclass
class Tally:
    """What came of all requests."""

    counts: Counter[Kind] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    reconnects: int = 0
    unstarted_failures: int = 0
    """Told an error before anything of an answer."""
    longest: float = 0.0
    bad: list[str] = field(default_factory=list)
    """What must never be, in words."""
    lost: list[Outcome] = field(default_factory=list)
    """Requests whose gateway went away."""

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome.kind] += 1
        self.longest = max(self.longest, outcome.seconds)
        if outcome.kind in ("refused", "broken off"):
            self.codes[outcome.detail] += 1
        if outcome.kind == "refused":
            self.unstarted_failures += 1
        if outcome.kind == "gateway lost":
            self.lost.append(outcome)
        if outcome.kind in ("wrong", "undocumented", "hung"):
            self.bad.append(f"{outcome.kind}: {outcome.detail}"[:500])

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def unstarted_success(self) -> float:
        """Share of requests that were not refused before they had begun."""
        return 1.0 - self.unstarted_failures / max(1, self.total)


class _FailedError(Exception):
    """An error in the envelope of the API."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _UndocumentedError(Exception):
    """What the API does not promise."""


class Clients:
    """`count` of them, each with one request at a time; every `slow_every`-th reads slowly."""

    def __init__(
        self,
        mesh: Mesh,
        questions: Sequence[Question],
        count: int,
        deadline: float,
        *,
        slow_every: int = 10,
        seed: int = 0,
    ) -> None:
        """`deadline`: seconds after which a request that has not ended is hung."""
        self.tally = Tally()
        self._mesh = mesh
        self._questions = questions
        self._deadline = deadline
        self._rng = random.Random(seed)
        self._stopping = asyncio.Event()
        self._tasks = [
            asyncio.create_task(
                self._run(number, slow=slow_every > 0 and number % slow_every == slow_every - 1)
            )
            for number in range(count)
        ]

    async def finish(self) -> Tally:
        """No new requests; returns when those that run have ended."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        return self.tally

    async def asked(self, number: int) -> None:
        """Returns when so many requests have ended, or a client has failed."""
        while self.tally.total < number:
            for task in self._tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.05)

    async def _run(self, number: int, *, slow: bool) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, read_bufsize=2048) as session:
            gateway = number
            while not self._stopping.is_set():
                question = self._rng.choice(self._questions)
                stream = slow or self._rng.random() < 0.6
                began = time.monotonic()
                try:
                    async with asyncio.timeout(self._deadline):
                        gateway, outcome = await self._ask(
                            session, gateway, question, stream=stream, slow=slow
                        )
                except TimeoutError:
                    outcome = Outcome("hung", 0.0, False, detail=question.prompt)
                outcome.seconds = time.monotonic() - began
                self.tally.add(outcome)
                if outcome.kind != "right":
                    await asyncio.sleep(self._rng.uniform(0.1, 0.5))

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        gateway: int,
        question: Question,
        *,
        stream: bool,
        slow: bool,
    ) -> tuple[int, Outcome]:
        """By another gateway where one takes no connection: all that clients must know of."""
        seen = [False]
        url = ""
        for attempt in range(_RECONNECTS):
            url = self._mesh.urls[gateway % len(self._mesh.urls)]
            try:
                told = await self._answer(session, url, question, seen, stream=stream, slow=slow)
            except aiohttp.ClientConnectionError as error:
                if not seen[0] and _never_began(error):
                    self.tally.reconnects += 1
                    gateway += 1
                    await asyncio.sleep(0.2 if attempt >= len(self._mesh.urls) else 0.0)
                    continue
                outcome = Outcome("gateway lost", 0.0, seen[0], detail=url)
            except aiohttp.ClientPayloadError:
                outcome = Outcome("gateway lost", 0.0, seen[0], detail=url)
            except (_FailedError, _UndocumentedError) as error:
                outcome = _failed(error, started=seen[0])
            else:
                outcome = _judged(question, told)
            return gateway + (outcome.kind == "gateway lost"), outcome
        return gateway, Outcome("undocumented", 0.0, False, detail=f"no gateway listens ({url})")

    async def _answer(
        self,
        session: aiohttp.ClientSession,
        url: str,
        question: Question,
        seen: list[bool],
        *,
        stream: bool,
        slow: bool,
    ) -> tuple[str, int, str]:
        """The text, its tokens, and why it ended; `seen` becomes true with its first part."""
        path = f"{url}/v1/chat/completions"
        async with session.post(path, json=question.body(stream=stream)) as response:
            if response.status != 200:
                raise _failure(await response.read(), response.status)
            if not stream:
                answer = orjson.loads(await response.read())
                choice = answer["choices"][0]
                used = answer["usage"]["completion_tokens"]
                return choice["message"]["content"], used, choice["finish_reason"]
            return await _read_stream(response, seen, slow=slow)


def _judged(question: Question, told: tuple[str, int, str]) -> Outcome:
    right = (question.text, question.completion_tokens, question.finish)
    if told == right:
        return Outcome("right", 0.0, True)
    return Outcome("wrong", 0.0, True, detail=f"{question.prompt!r}: {told!r}, not {right!r}")


def _failed(error: _FailedError | _UndocumentedError, *, started: bool) -> Outcome:
    if isinstance(error, _UndocumentedError) or error.code not in DOCUMENTED:
        return Outcome("undocumented", 0.0, started, detail=str(error))
    return Outcome("broken off" if started else "refused", 0.0, started, detail=error.code)


def _never_began(error: aiohttp.ClientConnectionError) -> bool:
    """Whether the gateway has certainly, or as far as a client may assume, not begun: clients of
    HTTP send a request again where a connection that was kept open turns out to be closed."""
    return isinstance(
        error,
        aiohttp.ClientConnectorError | aiohttp.ServerDisconnectedError | aiohttp.ClientOSError,
    )


def _failure(body: bytes, status: int) -> Exception:
    try:
        error = orjson.loads(body)["error"]
        if set(error) != {"message", "type", "param", "code"} or not error["message"]:
            raise ValueError
        return _FailedError(str(error["code"]))
    except (ValueError, KeyError, TypeError):
        return _UndocumentedError(f"HTTP {status}: {body[:200]!r}")


async def _read_stream(
    response: aiohttp.ClientResponse, seen: list[bool], *, slow: bool
) -> tuple[str, int, str]:
    text, used, finish, done = "", -1, "", False
    async for line in response.content:
        if slow:
            await asyncio.sleep(0.02)
        if not line.startswith(b"data: "):
            continue
        data = line.removeprefix(b"data: ").strip()
        if done:
            raise _UndocumentedError(f"after the end: {data!r}")
        if data == b"[DONE]":
            done = True
            continue
        event = orjson.loads(data)
        if "error" in event:
            raise _failure(data, 200)
        if event.get("usage"):
            used = event["usage"]["completion_tokens"]
        for choice in event["choices"]:
            if choice["delta"].get("content"):
                seen[0] = True
                text += choice["delta"]["content"]
            finish = choice.get("finish_reason") or finish
    if not done:
        raise aiohttp.ClientPayloadError("the stream has no end")
    return text, used, finish
