"""One verdict: known already, or asked for a bounded number of times."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from rostra.arena.judge.cache import ReplyCache
from rostra.arena.judge.client import Reply
from rostra.arena.judge.errors import NoReplyError
from rostra.arena.judge.records import Choice, Status
from rostra.arena.judge.reply import CHOICES, NonsenseError, read_comparison, read_grade
from rostra.arena.judge.request import JudgeRequest

FIRST_WAIT = 0.5
"""Seconds before the second attempt; twice that before the third."""
MOST_WAIT = 30.0
CONTENT_FILTER = "content_filter"
LENGTH = "length"


@dataclass(frozen=True)
class Judged:
    """What came of a request; see `rostra.arena.judge.records.Verdict`."""

    status: Status
    score: float | None = None
    choice: Choice | None = None
    reason: str = ""
    detail: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 1
    cached: bool = False


class Client(Protocol):
    def ask(self, body: dict[str, object]) -> Awaitable[Reply]: ...


class Asker:
    """Requests to one judge.

    Two requests with the same key wait for the same reply. A reply that is no verdict is asked for
    again, up to `attempts` times altogether, and so is a server that cannot now.
    """

    def __init__(
        self,
        client: Client,
        cache: ReplyCache | None,
        attempts: int,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._cache = cache
        self._attempts = attempts
        self._sleep = sleep
        self._running: dict[str, asyncio.Task[Judged]] = {}

    async def judge(self, request: JudgeRequest) -> Judged:
        """Raises NoReplyError where the server gave nothing in any attempt."""
        running = self._running.get(request.key)
        if running is not None:
            # Whoever asked first has paid.
            first = await asyncio.shield(running)
            return replace(first, prompt_tokens=0, completion_tokens=0, cached=True)
        running = asyncio.create_task(self._judge(request))
        self._running[request.key] = running
        try:
            return await running
        finally:
            self._running.pop(request.key, None)

    async def _judge(self, request: JudgeRequest) -> Judged:
        if self._cache is not None:
            known = await asyncio.to_thread(self._cache.get, request.key)
            if known is not None and (judged := read(request, known)).status == "given":
                return replace(judged, prompt_tokens=0, completion_tokens=0, cached=True)
        prompt_tokens = completion_tokens = 0
        last: Judged | None = None
        for attempt in range(1, self._attempts + 1):
            try:
                reply = await self._client.ask(request.body)
            except NoReplyError as error:
                if attempt == self._attempts or not error.again:
                    if last is None:
                        raise
                    break
                await self._sleep(_wait(attempt, error.after))
                continue
            prompt_tokens += reply.prompt_tokens
            completion_tokens += reply.completion_tokens
            last = replace(
                read(request, reply),
                prompt_tokens=prompt_tokens,
                completion_tokens=completion_tokens,
                attempts=attempt,
            )
            if last.status == "given":
                if self._cache is not None:
                    await asyncio.to_thread(self._cache.put, request.key, reply)
                break
        if last is None:
            raise RuntimeError("a judge was asked no time at all")
        return last


def read(request: JudgeRequest, reply: Reply) -> Judged:
    """What a reply says."""
    paid = Judged(
        "refused", prompt_tokens=reply.prompt_tokens, completion_tokens=reply.completion_tokens
    )
    if reply.refusal:
        return replace(paid, detail=reply.refusal[:300])
    if reply.finish_reason == CONTENT_FILTER:
        return replace(paid, detail="stopped by the judge's own filter")
    try:
        if reply.finish_reason == LENGTH:
            raise NonsenseError("cut off at its max_tokens: raise the judge's sampling.max_tokens")
        if request.kind == "grade":
            grade = read_grade(reply.content)
            return replace(paid, status="given", score=float(grade.score), reason=grade.reason)
        compared = read_comparison(reply.content)
        choice = CHOICES[compared.verdict]
        return replace(paid, status="given", choice=choice, reason=compared.reason)
    except NonsenseError as error:
        return replace(paid, status="nonsense", detail=str(error))


def _wait(attempt: int, after: float | None) -> float:
    """Seconds, with jitter, so that many do not come back at once."""
    if after is not None:
        return after
    return float(min(FIRST_WAIT * 2 ** (attempt - 1), MOST_WAIT) * random.uniform(0.5, 1.5))
