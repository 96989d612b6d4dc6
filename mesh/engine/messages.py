"""What crosses the border of the engine: requests in, outputs out.

Plain msgspec structs, because they travel between the process that talks to clients and the process
that computes, and later between ranks.
"""

from __future__ import annotations

import enum

import msgspec


class FinishReason(enum.Enum):
    """Why a request ended."""

    STOP = "stop"
    LENGTH = "length"
    ABORT = "abort"
    DEADLINE = "deadline"
    ERROR = "error"


class SamplingParams(msgspec.Struct, frozen=True, kw_only=True):
    """How the next token is chosen. Ranges are those of `rostra.v1.SamplingParams`.

    Stop strings are not here: text is the business of the process that detokenises.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: dict[int, float] = {}
    seed: int = 0
    stop_token_ids: frozenset[int] = frozenset()
    """End tokens of the model included, unless `ignore_eos` was asked for."""
    max_tokens: int = 16
    min_tokens: int = 0
    logprobs: int | None = None
    prompt_logprobs: int | None = None

    @property
    def needs_history(self) -> bool:
        """Whether choosing a token reads the values of all earlier ones on the host."""
        return (
            self.repetition_penalty != 1
            or self.frequency_penalty != 0
            or self.presence_penalty != 0
        )


class EngineRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One output to be generated. `n` outputs are `n` of these."""

    request_id: str
    prompt_token_ids: list[int]
    resumed_token_ids: list[int] = []
    """What the output begins with, made elsewhere: computed, and neither sampled nor told again."""
    sampling: SamplingParams
    deadline: float | None = None
    """In seconds of `time.monotonic()`, which all processes of a host share."""
    cache_salt: str = ""
    adapter: str = ""
    """Name of a resident adapter; empty for none."""
    grammar: str = ""
    """Text of an llguidance grammar that the output follows; empty for none."""
    priority: int = 0
    """Lower runs first; equals in order of arrival."""
    prefix_keys: list[int] = []
    """What the caller calls ever longer prefixes of the prompt; see `rostra.v1.PrefixKeys`."""
    prefix_covered: float = 1.0
    """The part of the prompt that the last of these stands for."""


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Inputs to be turned into vectors, one for each."""

    request_id: str
    inputs: list[list[int]]
    """Token ids of each."""
    dimensions: int | None = None
    """Of a vector; None: as many as the model makes."""
    deadline: float | None = None
    """As in `EngineRequest`."""


class TokenLogprobs(msgspec.Struct, frozen=True):
    """Natural logarithms of probabilities under the model, before temperature and filters."""

    logprob: float
    candidates: list[tuple[int, float]]
    """(token id, logprob), best first; as many as were asked for."""


class OutputToken(msgspec.Struct, frozen=True):
    id: int
    logprobs: TokenLogprobs | None = None


class Phases(msgspec.Struct, frozen=True, kw_only=True):
    """When a request went from one phase to the next, in seconds of `time.monotonic()`."""

    arrived: float
    started: float | None = None
    """When it left the queue for the first time."""
    first_token: float | None = None
    preempted: list[float] = []
    """When it gave its blocks back and went to the queue again."""
    finished: float | None = None


class RequestOutput(msgspec.Struct, frozen=True, kw_only=True):
    """What one step made for one request.

    The output with a `finish` is the last one of its request.
    """

    request_id: str
    tokens: list[OutputToken] = []
    """An end or stop token is the last of these."""
    finish: FinishReason | None = None
    stop_token_id: int | None = None
    """Set when `finish` is STOP."""
    error: str | None = None
    """Set when `finish` is ERROR: one line."""
    num_cached_tokens: int | None = None
    """Prompt tokens found in the prefix cache. On the first output of a request."""
    prompt_logprobs: list[TokenLogprobs | None] | None = None
    """One for each prompt token, the first None. On the first output, when asked for."""
    phases: Phases | None = None
    """On the first output of a request, and on its last."""
    embeddings: list[bytes] | None = None
    """What a finished `EmbeddingRequest` asked for, in order: float32 in the host's byte order."""


class EngineLoad(msgspec.Struct, frozen=True, kw_only=True):
    """A reading of the engine's state; `rostra.v1.GetLoadResponse` has fields of the same names."""

    running_requests: int = 0
    waiting_requests: int = 0
    queued_tokens: int = 0
    kv_blocks_total: int = 0
    kv_blocks_used: int = 0
    prefix_cache_queried_tokens: int = 0
    prefix_cache_hit_tokens: int = 0
    preemptions: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    finished_requests: int = 0
    draft_tokens: int = 0
    """Guessed and verified."""
    accepted_draft_tokens: int = 0
    """Those of `draft_tokens` that were right: tokens that cost no step of their own."""
    steps: int = 0
    step_tokens: int = 0
    """Computed in all steps, drafts included."""
    step_requests: int = 0
    """The requests of each step, over all steps."""
