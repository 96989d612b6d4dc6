"""When guessing the next tokens pays, and how many to guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.ngram import NGramDrafter
from rostra.mesh.engine.request import Request

ROW_COST = {"cpu": 0.15, "cuda": 0.01}
"""Time of one more row in a step, as a share of the step with one row, where nobody measured it.

On two cores a step of 16 rows took about three times as long as one of a single row. On a GPU the
weights are read once for all rows, until hundreds of them are as much work as the reading.
"""

_WAIT_COST = 0.05
"""Share of a step lost where the next one is planned only when its result is in."""

_FIRST_PAUSE, _LONGEST_PAUSE = 8, 128
"""Tokens between two tries of a request whose drafts do not pay."""


class Drafter(Protocol):
    """Guesses what follows the tokens of a request."""

    def draft(self, request: Request, count: int) -> list[int]:
        """Up to `count` tokens, at least 1, to follow `request.token_ids`; [] where it has no idea.

        Those never change but at their end, by appending, a preemption included.
        """
        ...

    def forget(self, request: Request) -> None:
        """Drops what is kept for a request, if anything; it is never drafted for again."""
        ...


@dataclass(slots=True)
class _Record:
    """How the drafts of one request went."""

    acceptance: float
    """Share of the guesses verified lately that were right."""
    pause: int = _FIRST_PAUSE
    resumes_at: int = 0
    """Number of tokens from which on one more try is made though it should not pay."""


class Speculator:
    """Asks a drafter where its guesses pay.

    A guess costs a row in the step that verifies it, and a right one saves a row in a later step.
    With `row_cost` c in units of a step of one row, a step of R rows takes 1 + c (R - 1). One more
    row that yields a token with probability q makes a step that yields S tokens better where
    q / S > c / (1 + c (R - 1)). The j-th guess is right only if those before it are, so q = a ** j,
    where a is the acceptance: an exponential moving average by request, which starts at the one
    of the whole engine. So drafts get shorter as more requests run, and end where they fail. Then
    a single guess is tried now and then, twice as rarely each time, since text may start to repeat.
    """

    def __init__(
        self, drafter: Drafter, *, vocab_size: int, num_draft_tokens: int, row_cost: float
    ) -> None:
        self._drafter = drafter
        self._vocab_size = vocab_size
        self._num_draft_tokens = num_draft_tokens
        self._row_cost = row_cost
        self._acceptance = 0.5
        self._records: dict[Request, _Record] = {}

    def worth_waiting(self, running: Sequence[Request]) -> bool:
        """Whether the step in flight should be over before the next is planned, to draft for it.

        A text that repeats itself has most often done so one token ago, so the tokens that are
        known answer for those in flight.
        """
        least = self._least_probability(len(running), len(running))
        promised = 0.0
        for request in running:
            record = self._record(request)
            if (
                request.num_pending_tokens
                and not request.ends_with_pending
                and request.takes_drafts
                and self._length(record, request, least)
                and self._drafter.draft(request, 1)
            ):
                promised += record.acceptance
        return promised > _WAIT_COST * len(running)

    def draft(self, request: Request, room: int, num_sampling: int, num_rows: int) -> list[int]:
        """At most `room` tokens, as far as they pay in a step of `num_rows` tokens that samples for
        `num_sampling` requests."""
        record = self._record(request)
        least = self._least_probability(num_sampling, num_rows)
        count = min(self._length(record, request, least), room)
        if count <= 0:
            return []
        guesses = self._drafter.draft(request, count)[:count]
        for index, token_id in enumerate(guesses):
            if not 0 <= token_id < self._vocab_size:
                del guesses[index:]
                break
        if record.acceptance > least:
            record.pause = _FIRST_PAUSE
        elif guesses:
            record.resumes_at = len(request.token_ids) + record.pause
            record.pause = min(2 * record.pause, _LONGEST_PAUSE)
        return guesses

    def record(self, request: Request, num_drafted: int, num_accepted: int) -> None:
        """Takes in how many of the guesses were right before the first that was wrong."""
        record = self._record(request)
        for right in [1.0] * num_accepted + [0.0] * (num_accepted < num_drafted):
            record.acceptance += 0.2 * (right - record.acceptance)
            self._acceptance += 0.02 * (right - self._acceptance)

    def forget(self, request: Request) -> None:
        self._records.pop(request, None)
        self._drafter.forget(request)

    def _record(self, request: Request) -> _Record:
        record = self._records.get(request)
        if record is None:
            record = self._records[request] = _Record(self._acceptance)
        return record

    def _least_probability(self, num_sampling: int, num_rows: int) -> float:
        return self._row_cost * num_sampling / (1 + self._row_cost * (num_rows - 1))

    def _length(self, record: _Record, request: Request, least: float) -> int:
        count, probability = 0, record.acceptance
        while count < self._num_draft_tokens and probability > least:
            count += 1
            probability *= record.acceptance
        if count == 0 and len(request.token_ids) >= record.resumes_at:
            return 1
        return count


def build_speculator(
    config: EngineConfig, vocab_size: int, row_cost: float | None = None
) -> Speculator | None:
    """What `config` asks for. `row_cost` as in `ROW_COST`, where it was measured."""
    if config.speculation == "off":
        return None
    kind = config.device.partition(":")[0]
    return Speculator(
        NGramDrafter(),
        vocab_size=vocab_size,
        num_draft_tokens=config.num_draft_tokens,
        row_cost=ROW_COST[kind] if row_cost is None else row_cost,
    )
