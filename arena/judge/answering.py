"""Contestants answer the questions of a run, through the gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from rostra.arena.contestant import Contestant
from rostra.arena.conversation import WITHOUT_TEXT
from rostra.arena.errors import (
    AnswerBrokenError,
    AnswerError,
    GatewayRefusedError,
)
from rostra.arena.gateway_client import Delta, End, GatewayClient, Message
from rostra.arena.judge.asking import FIRST_WAIT
from rostra.arena.judge.folder import RunFolder
from rostra.arena.judge.pool import Patience, bounded
from rostra.arena.judge.questions import Question
from rostra.arena.judge.records import Answered
from rostra.arena.judge.tally import Tally, Told

_HOPELESS = (401, 403, 404)
_MINE = range(400, 500)
_AGAIN = (408, 409, 425, 429)
MILLION = 1_000_000


class Answering:
    """All turns of all questions, for contestants that are in the folder. What is there is not
    asked for again."""

    def __init__(
        self,
        folder: RunFolder,
        client: GatewayClient,
        *,
        attempts: int = 3,
        told: Told = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._folder = folder
        self._client = client
        self._attempts = attempts
        self._told = told
        self._sleep = sleep
        self._patience = Patience()

    async def run(self, contestants: Sequence[Contestant], concurrency: int) -> Tally:
        turns = sum(len(question.turns) for question in self._folder.questions)
        tally = Tally(turns * len(contestants))
        # By question, so that a run that is cut short has whole questions to compare.
        pairs = (
            (question, contestant)
            for question in self._folder.questions
            for contestant in contestants
        )

        async def work(pair: tuple[Question, Contestant]) -> None:
            await self._converse(*pair, tally)

        await bounded(pairs, concurrency, work)
        return tally

    async def _converse(self, question: Question, contestant: Contestant, tally: Tally) -> None:
        messages: list[Message] = []
        for turn, prompt in enumerate(question.turns, start=1):
            messages.append(Message(role="user", content=prompt))
            answer = self._folder.answer(question.question_id, contestant.name, turn)
            if answer is not None:
                tally.add("known")
            else:
                answer = await self._asked(question, contestant, turn, messages, tally)
                if answer is None:
                    # The turns after it have nothing to follow.
                    for _ in range(turn, len(question.turns)):
                        tally.add("failed")
                    self._told(tally)
                    return
            self._told(tally)
            messages.append(Message(role="assistant", content=answer.text))

    async def _asked(
        self,
        question: Question,
        contestant: Contestant,
        turn: int,
        messages: Sequence[Message],
        tally: Tally,
    ) -> Answered | None:
        reason = self._patience.why_lost(contestant.name)
        for attempt in range(1, 1 + (0 if reason is not None else self._attempts)):
            try:
                answer = await self._once(question, contestant, turn, messages)
            except AnswerError as error:
                reason = str(error)
                status = error.status if isinstance(error, GatewayRefusedError) else None
                hopeless = status in _HOPELESS
                again = status not in _MINE or status in _AGAIN
                if attempt == self._attempts or not again:
                    self._patience.failed(contestant.name, reason, hopeless=hopeless)
                    break
                await self._sleep(FIRST_WAIT * 2 ** (attempt - 1))
                continue
            self._patience.succeeded(contestant.name)
            self._folder.add_answers(answer)
            tokens = answer.completion_tokens or 0
            price = contestant.price
            cost = None if price is None else tokens * price / MILLION
            tally.add("given", answer.prompt_tokens or 0, tokens, cost)
            return answer
        tally.add("failed")
        tally.faults.append(
            f"question {question.question_id}, turn {turn}, {contestant.name}: {reason}"
        )
        return None

    async def _once(
        self, question: Question, contestant: Contestant, turn: int, messages: Sequence[Message]
    ) -> Answered:
        began = time.monotonic()
        text, end = "", None
        async with aclosing(self._client.answer(contestant, messages)) as parts:
            async for part in parts:
                if isinstance(part, Delta):
                    text += part.text
                else:
                    end = part
        if not isinstance(end, End) or not text.strip():
            raise AnswerBrokenError(WITHOUT_TEXT)
        return Answered(
            question=question.question_id,
            contestant=contestant.name,
            turn=turn,
            text=text,
            at=datetime.now(UTC),
            seconds=round(time.monotonic() - began, 6),
            prompt_tokens=end.prompt_tokens,
            completion_tokens=end.completion_tokens,
            finish_reason=end.finish_reason,
            revision=end.revision,
        )
