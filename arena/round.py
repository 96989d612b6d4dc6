"""One round: two answers that stream at the same time, and one vote."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Literal

from rostra.arena.errors import AnswerError, VoteRefusedError
from rostra.arena.gateway_client import Delta, End, GatewayClient, Message
from rostra.arena.identity import give_aways, reveals
from rostra.arena.matchmaking import SIDES, Pair, Side
from rostra.arena.votes.records import EndedAnswer, Outcome, StoredVote, Ticket
from rostra.arena.votes.store import VoteStore

logger = logging.getLogger(__name__)

AnswerState = Literal["waiting", "writing", "complete", "stopped", "failed"]
STOPPED = "stopped"
ABANDONED = "abandoned"
_INTERNAL_ERROR = "the arena itself failed; see its log"


@dataclass
class StreamedAnswer:
    """An answer while it is written and after."""

    text: str = ""
    state: AnswerState = "waiting"
    began: float = field(default_factory=time.monotonic)
    first_text_seconds: float | None = None
    seconds: float | None = None
    finish_reason: str | None = None
    completion_tokens: int | None = None

    @property
    def ended(self) -> bool:
        """Whether it has ended and is stored."""
        return self.state in ("complete", "stopped", "failed")

    @property
    def elapsed(self) -> float:
        """Seconds since the question."""
        return time.monotonic() - self.began if self.seconds is None else self.seconds


class Round:
    """A battle from its first question to its vote. Belongs to one voter and one event loop.

    Who answers is known here and not to the page, until `pair` is read after the vote.
    """

    def __init__(self, pair: Pair, store: VoteStore, client: GatewayClient, address: str) -> None:
        self.pair = pair
        self.turns: list[str] = []
        self.answers: dict[Side, StreamedAnswer] = {}
        self.vote: StoredVote | None = None
        self._store = store
        self._client = client
        self._address = address
        self._ticket: Ticket | None = None
        self._conversations: dict[Side, list[Message]] = {side: [] for side in SIDES}
        self._phrases = give_aways([pair.a, pair.b])
        self._readers: list[asyncio.Task[End]] = []
        self._finishers: list[asyncio.Task[None]] = []
        self._why_cut = ABANDONED

    @property
    def ended(self) -> bool:
        return bool(self.answers) and all(answer.ended for answer in self.answers.values())

    @property
    def failed_sides(self) -> list[Side]:
        return [side for side, answer in self.answers.items() if answer.state == "failed"]

    async def ask(self, prompt: str) -> None:
        """Stores the question, then puts it to both. Returns when both have been asked."""
        number = len(self.turns)
        if self._ticket is None:
            self._ticket = await asyncio.to_thread(
                self._store.open_battle, self.pair, prompt, self._address
            )
        else:
            await asyncio.to_thread(self._store.add_turn, self._ticket, number, prompt)
        self.turns.append(prompt)
        self._readers = []
        for side in SIDES:
            self._conversations[side].append(Message(role="user", content=prompt))
            answer = self.answers[side] = StreamedAnswer()
            reader = asyncio.create_task(self._read(side, answer, self._conversations[side]))
            self._readers.append(reader)
            self._finishers.append(
                asyncio.create_task(self._finish(side, answer, reader, number, self._ticket))
            )

    def stop(self) -> None:
        """Cuts both answers where they are. What they said stands and can be voted on."""
        self._cut(STOPPED)

    async def close(self) -> None:
        """Cuts what still runs, and returns when it is stored."""
        self._cut(ABANDONED)
        await asyncio.gather(*self._finishers)

    async def cast(self, outcome: Outcome) -> StoredVote:
        """Stores the vote. Raises `VoteRefusedError`."""
        if self._ticket is None:
            raise VoteRefusedError("There is nothing to vote on yet: ask a question.")
        self.vote = await asyncio.to_thread(self._store.vote, self._ticket, outcome)
        return self.vote

    def _cut(self, why: str) -> None:
        self._why_cut = why
        for reader in self._readers:
            reader.cancel()

    async def _read(
        self, side: Side, answer: StreamedAnswer, conversation: Sequence[Message]
    ) -> End:
        end: End | None = None
        async with aclosing(self._client.answer(self.pair[side], conversation)) as parts:
            async for part in parts:
                if isinstance(part, Delta):
                    if answer.first_text_seconds is None:
                        answer.first_text_seconds = answer.elapsed
                        answer.state = "writing"
                    answer.text += part.text
                else:
                    end = part
        if end is None:
            raise RuntimeError("an answer ended without its end")
        return end

    async def _finish(
        self,
        side: Side,
        answer: StreamedAnswer,
        reader: asyncio.Task[End],
        turn: int,
        ticket: Ticket,
    ) -> None:
        """Stores how the answer ended; only then does it count as ended."""
        await asyncio.wait([reader])
        answer.seconds = answer.elapsed
        state, ended = self._outcome(answer, reader)
        try:
            await asyncio.to_thread(
                self._store.end_answer,
                ticket.battle_id,
                turn,
                side,
                ended,
                reveals(answer.text, self._phrases),
            )
        except Exception:
            logger.exception("cannot store an answer of battle %s", ticket.battle_id)
            state = "failed"
        if ended.error:
            logger.warning("battle %s, answer %s: %s", ticket.battle_id, side, ended.error)
        self._conversations[side].append(Message(role="assistant", content=answer.text))
        answer.finish_reason = ended.finish_reason
        answer.completion_tokens = ended.completion_tokens
        answer.state = state
        if state == "failed":
            self._cut(ABANDONED)

    def _outcome(
        self, answer: StreamedAnswer, reader: asyncio.Task[End]
    ) -> tuple[AnswerState, EndedAnswer]:
        so_far = EndedAnswer(answer.text, answer.elapsed, answer.first_text_seconds)
        if reader.cancelled():
            if not answer.text:
                return "failed", replace(so_far, error=f"{self._why_cut} before any text")
            return "stopped", replace(so_far, finish_reason=self._why_cut)
        error = reader.exception()
        if error is None:
            end = reader.result()
            return "complete", replace(
                so_far,
                finish_reason=end.finish_reason,
                model_revision=end.revision,
                prompt_tokens=end.prompt_tokens,
                completion_tokens=end.completion_tokens,
            )
        if isinstance(error, AnswerError):
            return "failed", replace(so_far, error=str(error))
        logger.error("an answer failed", exc_info=error)
        return "failed", replace(so_far, error=_INTERNAL_ERROR)
