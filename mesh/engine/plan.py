"""What the scheduler tells the runner each step, and what the runner tells it back.

Small and free of tensors, so that rank 0 can broadcast it to the other ranks.
"""

from __future__ import annotations

import msgspec

from rostra.mesh.engine.messages import SamplingParams, TokenLogprobs


class NewRequest(msgspec.Struct, frozen=True):
    """A request the runner holds no state for: just admitted, or back after preemption."""

    request_id: str
    token_ids: list[int]
    """All tokens known so far: the prompt, and what was generated before a preemption."""
    num_prompt_tokens: int
    sampling: SamplingParams
    adapter_slot: int = -1
    """-1: none."""
    grammar: str = ""
    """That the output follows; empty for none."""


class ScheduledRequest(msgspec.Struct, frozen=True):
    """The part of a step that belongs to one request.

    Tokens `num_computed_tokens : num_computed_tokens + num_new_tokens` are computed now. When that
    reaches the last token known, the runner samples the next one and appends it to its own state.

    A token that a step still in flight samples counts as known: its value is not on the host yet,
    but the runner has it on the device.
    """

    request_id: str
    num_computed_tokens: int
    num_new_tokens: int
    new_block_ids: list[int]
    """Appended to the request's block table; block `i` of the table holds tokens
    `i * block_size : (i + 1) * block_size`. For a new request: the whole table so far."""
    draft_token_ids: list[int] = []
    """Guesses at what follows the last known token, computed in this step behind it; the blocks
    have room for them. The runner samples after the last known token and after every draft, each
    draw exactly as it would be without drafts, and keeps what it samples up to and including the
    first token that differs from its draft. So 1 to `len(draft_token_ids) + 1` tokens come back.

    Only behind a last token whose value is on the host, and with room for one more token below the
    runner's `max_model_len`. The next step of the request follows their result."""


class StepPlan(msgspec.Struct, frozen=True):
    """One step: forget `finished`, take in `new`, compute `scheduled`.

    A request may share blocks that one before it in `scheduled` fills in this very step, so each
    layer writes the keys and values of all scheduled tokens before its attention reads any.
    """

    finished: list[str]
    """State to drop: ended, aborted or preempted requests."""
    new: list[NewRequest]
    scheduled: list[ScheduledRequest]


class SampledToken(msgspec.Struct, frozen=True):
    request_id: str
    token_id: int
    logprobs: TokenLogprobs | None = None
    error: str | None = None
    """One line, set when no token could be chosen. The id is then -1, and the request ends."""


class PromptLogprobs(msgspec.Struct, frozen=True):
    """Log-probabilities of the prompt tokens that a chunk predicted, in order.

    A chunk that computes tokens a : b predicts tokens a + 1 : b + 1, as far as they are prompt.
    """

    request_id: str
    tokens: list[TokenLogprobs]


class StepResult(msgspec.Struct, frozen=True):
    sampled: list[SampledToken]
    """Those of one request in order of their positions; several only where drafts were right."""
    prompt_logprobs: list[PromptLogprobs]
