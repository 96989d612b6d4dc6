"""What the scheduler knows of one request."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from rostra.mesh.engine.blocks import BlockTable
from rostra.mesh.engine.messages import (
    EngineRequest,
    FinishReason,
    SamplingParams,
    TokenLogprobs,
)


class Status(enum.Enum):
    WAITING = "waiting"
    """Holds no blocks, and the runner no state of it: new, or preempted."""
    RUNNING = "running"
    FINISHED = "finished"


@dataclass(slots=True, eq=False)
class Request:
    """A request from its arrival to its end."""

    id: str
    sampling: SamplingParams
    token_ids: list[int]
    """The prompt, and what was generated after it."""
    num_prompt_tokens: int
    arrival: int
    """Counts up over all requests of an engine."""
    priority: int = 0
    deadline: float | None = None
    cache_salt: str = ""
    status: Status = Status.WAITING
    table: BlockTable = field(default_factory=BlockTable)
    num_computed_tokens: int = 0
    """Leading tokens whose keys and values are in the blocks."""
    num_cached_tokens: int | None = None
    """Prompt tokens found in the prefix cache when it first ran."""
    prompt_logprobs: list[TokenLogprobs | None] = field(default_factory=lambda: [None])
    """For the prompt tokens predicted so far; kept through a preemption."""
    answered: bool = False
    """Whether an output has left the engine."""

    @classmethod
    def of(cls, request: EngineRequest, arrival: int) -> Request:
        return cls(
            id=request.request_id,
            sampling=request.sampling,
            token_ids=list(request.prompt_token_ids),
            num_prompt_tokens=len(request.prompt_token_ids),
            arrival=arrival,
            priority=request.priority,
            deadline=request.deadline,
            cache_salt=request.cache_salt,
        )

    @property
    def rank(self) -> tuple[int, int]:
        """Lower goes first, and is preempted last."""
        return self.priority, self.arrival

    @property
    def num_tokens(self) -> int:
        return len(self.token_ids)

    @property
    def num_output_tokens(self) -> int:
        return len(self.token_ids) - self.num_prompt_tokens

    @property
    def num_missing_tokens(self) -> int:
        """Tokens known but not computed yet."""
        return len(self.token_ids) - self.num_computed_tokens

    @property
    def lacks_prompt_logprobs(self) -> bool:
        return (
            self.sampling.prompt_logprobs is not None
            and len(self.prompt_logprobs) < self.num_prompt_tokens
        )

    def record_prompt_logprobs(self, start: int, tokens: list[TokenLogprobs]) -> None:
        """Takes in what a chunk from token `start` on predicted, less what is known already."""
        self.prompt_logprobs += tokens[len(self.prompt_logprobs) - (start + 1) :]

    def finish_reason(self, max_model_len: int) -> FinishReason | None:
        """Whether the newest token is the last one."""
        if self.token_ids[-1] in self.sampling.stop_token_ids:
            return FinishReason.STOP
        if self.num_output_tokens >= self.sampling.max_tokens or self.num_tokens >= max_model_len:
            return FinishReason.LENGTH
        return None
