"""A step that was launched, and what is kept of the tokens it samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rostra.mesh.engine.logprobs import PendingLogprobs
from rostra.mesh.engine.plan import PromptLogprobs, SampledToken, StepResult
from rostra.mesh.engine.requests import RequestState, RequestTable
from rostra.mesh.engine.sampler import PendingSample


class Awaited(NamedTuple):
    """The tokens that a step samples for one request: after its last one and after each draft."""

    state: RequestState
    position: int
    """Of the first of them in the request."""
    draft_token_ids: Sequence[int]
    num_sampled: int
    """One more than there are drafts."""
    end: int
    """Behind the last of the request's tokens among those of the step."""


def accept(
    sampled: Sequence[SampledToken], draft_token_ids: Sequence[int]
) -> Sequence[SampledToken]:
    """What decoding token by token would have made: all up to the first that is not its draft.

    `sampled` has one token more than there are drafts. One that could not be chosen is the last.
    """
    for count, draft in enumerate(draft_token_ids, start=1):
        if sampled[count - 1].token_id != draft:
            return sampled[:count]
    return sampled


@dataclass(slots=True)
class LaunchedStep:
    """A step whose result the device may still be working on."""

    requests: RequestTable
    awaited: Sequence[Awaited]
    sample: PendingSample | None
    """One token for each row of logits: those of one request together, in order."""
    prompt_logprobs: Sequence[tuple[str, Sequence[PendingLogprobs]]]
    """Of some requests, in consecutive pieces."""
    _sampled: list[SampledToken] | None = None

    def result(self) -> StepResult:
        """Waits for the step; enters the sampled tokens into the table of requests."""
        predicted = [
            PromptLogprobs(request_id, [entry for piece in pieces for entry in piece.result()])
            for request_id, pieces in self.prompt_logprobs
        ]
        return StepResult(self.settle(), predicted)

    def settle(self) -> list[SampledToken]:
        """The part of `result` that later steps may need before anybody asks for all of it."""
        if self._sampled is None:
            self._sampled = self._take_tokens()
        return self._sampled

    def _take_tokens(self) -> list[SampledToken]:
        if self.sample is None:
            return []
        tokens = self.sample.result()
        found: list[SampledToken] = []
        start = 0
        for awaited in self.awaited:
            end = start + awaited.num_sampled
            kept = accept(tokens[start:end], awaited.draft_token_ids)
            chosen = [token.token_id for token in kept if token.error is None]
            self.requests.settle(awaited.state, awaited.position, chosen)
            found += kept
            start = end
        return found
