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
from rostra.arena.judge.forms import Form, Forms
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
    again, up to `attempts` times altogether, and so is a server that cannot now. The forms in which
    a server may take a request are tried within one attempt.
    """

    def __init__(
        self,
        client: Client,
        cache: ReplyCache | None,
        attempts: int,
        forms: Forms,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._cache = cache
        self._attempts = attempts
        self._forms = forms
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
        told: list[Judged] = []
        for attempt in range(1, self._attempts + 1):
            try:
                told += await self._attempt(request)
            except NoReplyError as error:
                if attempt == self._attempts or not error.again:
                    if not told:
                        raise
                    break
                await self._sleep(_wait(attempt, error.after))
                continue
            if told[-1].status == "given":
                break
        return replace(
            told[-1],
            prompt_tokens=sum(each.prompt_tokens for each in told),
            completion_tokens=sum(each.completion_tokens for each in told),
            attempts=len(told),
        )

    async def _attempt(self, request: JudgeRequest) -> list[Judged]:
        """What came: one reply, or one for each form that was tried."""
        if self._forms.kept is None:
            async with self._forms.trying():
                if self._forms.kept is None:
                    return await self._try_forms(request)
        judged, _ = await self._ask(request, self._forms.kept)
        return [judged]

    async def _try_forms(self, request: JudgeRequest) -> list[Judged]:
        """Raises the first NoReplyError where the server takes none: then it is not the form."""
        told: list[Judged] = []
        refused: NoReplyError | None = None
        taken: Form | None = None
        given_up: dict[Form, str] = {}
        for form in self._forms.left:
            try:
                judged, follows = await self._ask(request, form)
            except NoReplyError as error:
                if not error.unfit:
                    if told:  # which has been paid for
                        return told
                    raise
                refused = refused or error
                given_up[form] = str(error)
                continue
            told.append(judged)
            if judged.status == "refused":
                return told
            taken = form
            if follows:
                break
            given_up[form] = f"not followed: {judged.detail}"
        if taken is not None:
            given_up.pop(taken, None)
            self._forms.keep(taken, given_up)
        elif refused is not None:
            raise refused
        return told

    async def _ask(self, request: JudgeRequest, form: Form) -> tuple[Judged, bool]:
        """What a reply says, and whether it follows the form. Raises NoReplyError."""
        reply = await self._client.ask(request.body(form))
        judged = read(request, reply)
        if judged.status == "given" and self._cache is not None:
            await asyncio.to_thread(self._cache.put, request.key, reply)
        # Of an object that was cut off it cannot be told.
        cut_off = reply.finish_reason == LENGTH and reply.content.lstrip().startswith("{")
        return judged, judged.status == "given" or cut_off


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
