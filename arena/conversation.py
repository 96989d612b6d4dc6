"""A conversation with one contestant."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from rostra.arena.contestant import Contestant
from rostra.arena.errors import AnswerError
from rostra.arena.gateway_client import Delta, End, GatewayClient, Message
from rostra.arena.images.picture import Picture
from rostra.arena.votes.records import EndedAnswer

logger = logging.getLogger(__name__)

AnswerState = Literal["waiting", "writing", "complete", "stopped", "interrupted", "failed"]
STOPPED = "stopped"
ABANDONED = "abandoned"
CUT_SHORT = "before any text"
"""How the errors end of answers that nobody can be blamed for."""
WITHOUT_TEXT = "the answer ended without any text"
_INTERNAL_ERROR = "the arena itself failed; see its log"


@dataclass
class StreamedAnswer:
    """An answer while it is written and after."""

    text: str = ""
    """What may be shown of it."""
    state: AnswerState = "waiting"
    """As the voter may know it; it has ended only when that is stored."""
    began: float = field(default_factory=time.monotonic)
    first_text_seconds: float | None = None
    seconds: float | None = None
    """From the question to the end of what was received, which may be shown later."""
    finish_reason: str | None = None
    completion_tokens: int | None = None

    @property
    def ended(self) -> bool:
        return self.state not in ("waiting", "writing")

    @property
    def elapsed(self) -> float:
        """Seconds since the question."""
        return time.monotonic() - self.began

    @classmethod
    def stored(cls, ended: EndedAnswer) -> StreamedAnswer:
        """As the store gives it back."""
        return cls(
            text=ended.text,
            state=_state(ended),
            first_text_seconds=ended.first_text_seconds,
            seconds=ended.seconds,
            finish_reason=ended.finish_reason,
            completion_tokens=ended.completion_tokens,
        )


def _state(ended: EndedAnswer) -> AnswerState:
    if ended.error is not None:
        return "failed"
    if ended.finish_reason == ABANDONED:
        return "interrupted"
    return "stopped" if ended.finish_reason == STOPPED else "complete"


def _question(prompt: str, images: Sequence[Picture]) -> Message:
    if not images:
        return Message(role="user", content=prompt)
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": image.data_url}} for image in images
    ]
    return Message(role="user", content=[*parts, {"type": "text", "text": prompt}])


class Conversation:
    """What one contestant was asked and said. It knows nothing of votes and of other contestants.

    An answer is received as fast as it comes, and shown, ended and remembered as whoever holds the
    conversation decides.
    """

    def __init__(self, contestant: Contestant, client: GatewayClient) -> None:
        self.contestant = contestant
        self.answer = StreamedAnswer()
        self._client = client
        self._messages: list[Message] = []
        self._received = ""
        self._reader: asyncio.Task[End] | None = None
        self._cut_because: str | None = None

    def ask(self, prompt: str, images: Sequence[Picture] = ()) -> None:
        """Puts a question; the answer before it has ended."""
        self._messages.append(_question(prompt, images))
        self._begin()

    def ask_again(self) -> None:
        """Puts the last question once more, in place of the answer to it."""
        if self._messages[-1]["role"] == "assistant":
            self._messages.pop()
        self._begin()

    def recall(
        self, prompt: str, answer: EndedAnswer | None, images: Sequence[Picture] = ()
    ) -> None:
        """Takes up a stored turn; `answer` is `None` where the store never heard of its end."""
        self._messages.append(_question(prompt, images))
        self.answer = StreamedAnswer(state="interrupted", seconds=0.0)
        if answer is not None:
            self.answer = StreamedAnswer.stored(answer)
            self._messages.append(Message(role="assistant", content=answer.text))

    @property
    def received(self) -> int:
        """Characters that have come."""
        return len(self._received)

    @property
    def whole(self) -> bool:
        """Whether no more will come."""
        return self._reader is None or self._reader.done()

    def show(self, length: int) -> None:
        """Lets the first `length` characters be seen."""
        if self._cut_because is None and length > len(self.answer.text):
            self.answer.text = self._received[:length]
            self.answer.state = "writing"

    def cut(self, why: str) -> None:
        """Ends the answer at what was shown of it: what nobody saw is not voted on."""
        if self._reader is not None and not self.answer.ended and self._cut_because is None:
            self._cut_because = why
            self._reader.cancel()

    @property
    def over(self) -> bool:
        """Whether all that will ever be shown is shown. One that broke off shows no more."""
        if self._reader is None or not self._reader.done():
            return False
        broken = self._reader.cancelled() or self._reader.exception() is not None
        return broken or self._cut_because is not None or self._shown_whole

    @property
    def _shown_whole(self) -> bool:
        return len(self.answer.text) == len(self._received)

    def conclude(self) -> EndedAnswer:
        """How the answer, which is over, has ended; it is remembered for the next question."""
        answer, ended = self.answer, self._how_it_ended()
        self._messages.append(Message(role="assistant", content=answer.text))
        answer.finish_reason = ended.finish_reason
        answer.completion_tokens = ended.completion_tokens
        return ended

    def end(self, ended: EndedAnswer) -> None:
        """The end is stored; from now on the voter may know."""
        self.answer.state = _state(ended)

    def fail(self) -> None:
        """The end could not be stored."""
        self.answer.state = "failed"

    @property
    def history(self) -> list[str]:
        """The answers so far, oldest first."""
        return [str(each["content"]) for each in self._messages if each["role"] == "assistant"]

    def _begin(self) -> None:
        self.answer = StreamedAnswer()
        self._received = ""
        self._cut_because = None
        self._reader = asyncio.create_task(self._read(self.answer))

    async def _read(self, answer: StreamedAnswer) -> End:
        end: End | None = None
        try:
            async with aclosing(self._client.answer(self.contestant, self._messages)) as parts:
                async for part in parts:
                    if isinstance(part, Delta):
                        if answer.first_text_seconds is None:
                            answer.first_text_seconds = answer.elapsed
                        self._received += part.text
                    else:
                        end = part
        finally:
            answer.seconds = answer.elapsed
        if end is None:
            raise RuntimeError("an answer ended without its end")
        return end

    def _how_it_ended(self) -> EndedAnswer:
        answer, reader = self.answer, self._reader
        if reader is None or not reader.done():
            raise RuntimeError("an answer is concluded before it is over")
        so_far = EndedAnswer(
            answer.text,
            answer.elapsed if answer.seconds is None else answer.seconds,
            answer.first_text_seconds,
        )
        error = None if reader.cancelled() else reader.exception()
        if self._cut_because is not None or reader.cancelled():
            why = self._cut_because or ABANDONED
            if not answer.text:
                return replace(so_far, error=f"{why} {CUT_SHORT}")
            return replace(so_far, finish_reason=why)
        if isinstance(error, AnswerError):
            return replace(so_far, error=str(error))
        if error is not None:
            logger.error("an answer failed", exc_info=error)
            return replace(so_far, error=_INTERNAL_ERROR)
        if not answer.text.strip():
            return replace(so_far, error=WITHOUT_TEXT)
        end = reader.result()
        return replace(
            so_far,
            finish_reason=end.finish_reason,
            model_revision=end.revision,
            prompt_tokens=end.prompt_tokens,
            completion_tokens=end.completion_tokens,
        )
