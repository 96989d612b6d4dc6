"""What the scheduler knows of one request."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from rostra.mesh.engine.blocks import BlockTable
from rostra.mesh.engine.messages import (
    EngineRequest,
    FinishReason,
    OutputToken,
    Phases,
    RequestOutput,
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
    """The prompt, and what was generated after it, as far as its values are on the host."""
    num_prompt_tokens: int
    rank: tuple[int, int]
    """Priority and arrival, which counts up over all requests of an engine. Lower goes first, and
    is preempted last."""
    max_num_tokens: int
    """Prompt and output together, where the request ends with LENGTH."""
    needs_history: bool
    """Of `SamplingParams`."""
    deadline: float | None = None
    prefix_keys: list[int] = field(default_factory=list)
    prefix_covered: float = 1.0
    """As in `EngineRequest`."""
    cache_salt: str = ""
    """Requests share cached blocks only where theirs is equal. Tells adapters and their revisions
    apart too."""
    adapter_slot: int = -1
    """-1: none."""
    grammar: str = ""
    """That the output follows; empty for none."""
    status: Status = Status.WAITING
    table: BlockTable = field(default_factory=BlockTable)
    num_computed_tokens: int = 0
    """Leading tokens whose keys and values are in the blocks, or will be when the steps launched
    so far are done."""
    num_pending_tokens: int = 0
    """Tokens that steps in flight sample, at least one in each: they count, but their values are
    not known yet."""
    num_cached_tokens: int | None = None
    """Prompt tokens found in the prefix cache when it first ran."""
    prompt_logprobs: list[TokenLogprobs | None] = field(default_factory=lambda: [None])
    """For the prompt tokens predicted so far; kept through a preemption."""
    answered: bool = False
    """Whether an output has left the engine."""
    arrived: float = 0.0
    """This, and the times below, in seconds of the engine's clock."""
    started: float | None = None
    """When it first left the queue."""
    first_token: float | None = None
    preempted: list[float] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        request: EngineRequest,
        arrival: int,
        max_model_len: int,
        *,
        adapter_slot: int = -1,
        adapter_revision: str = "",
    ) -> Request:
        num_prompt_tokens = len(request.prompt_token_ids)
        sampling = request.sampling
        return cls(
            id=request.request_id,
            sampling=sampling,
            token_ids=[*request.prompt_token_ids, *request.resumed_token_ids],
            num_prompt_tokens=num_prompt_tokens,
            rank=(request.priority, arrival),
            max_num_tokens=min(num_prompt_tokens + sampling.max_tokens, max_model_len),
            needs_history=sampling.needs_history,
            deadline=request.deadline,
            prefix_keys=request.prefix_keys,
            prefix_covered=request.prefix_covered,
            # Neither of the first two has a line break in it, so no salt can stand for them.
            cache_salt=f"{request.adapter}\n{adapter_revision}\n{request.cache_salt}",
            adapter_slot=adapter_slot,
            grammar=request.grammar,
        )

    @property
    def num_tokens(self) -> int:
        return len(self.token_ids) + self.num_pending_tokens

    @property
    def num_missing_tokens(self) -> int:
        """Tokens, known or pending, that no step computes yet."""
        return len(self.token_ids) + self.num_pending_tokens - self.num_computed_tokens

    @property
    def ends_with_pending(self) -> bool:
        """Whether a token in flight is the last one by length, whatever its value."""
        return len(self.token_ids) + self.num_pending_tokens >= self.max_num_tokens

    @property
    def takes_drafts(self) -> bool:
        """What may follow a guess under a grammar is known only when the guess is."""
        return not self.grammar

    @property
    def lacks_prompt_logprobs(self) -> bool:
        return (
            self.sampling.prompt_logprobs is not None
            and len(self.prompt_logprobs) < self.num_prompt_tokens
        )

    def record_prompt_logprobs(self, start: int, tokens: list[TokenLogprobs]) -> None:
        """Takes in what a chunk from token `start` on predicted, less what is known already."""
        self.prompt_logprobs += tokens[len(self.prompt_logprobs) - (start + 1) :]

    def finish_reason(self) -> FinishReason | None:
        """Whether the newest known token is the last one."""
        if self.token_ids[-1] in self.sampling.stop_token_ids:
            return FinishReason.STOP
        if len(self.token_ids) >= self.max_num_tokens:
            return FinishReason.LENGTH
        return None

    def output(
        self,
        tokens: list[OutputToken],
        finish: FinishReason | None = None,
        error: str | None = None,
        now: float = 0.0,
    ) -> RequestOutput:
        """What to tell of the newest tokens; the first one tells of the prompt too. `now` is read
        where it is the first or the last."""
        if self.answered and finish is None:
            return RequestOutput(request_id=self.id, tokens=tokens)
        first, self.answered = not self.answered, True
        if tokens and self.first_token is None:
            self.first_token = now
        asked = self.sampling.prompt_logprobs is not None
        complete = asked and not self.lacks_prompt_logprobs
        return RequestOutput(
            request_id=self.id,
            tokens=tokens,
            finish=finish,
            stop_token_id=tokens[-1].id if finish is FinishReason.STOP else None,
            error=error,
            num_cached_tokens=(self.num_cached_tokens or 0) if first else None,
            prompt_logprobs=self.prompt_logprobs if first and complete else None,
            phases=Phases(
                arrived=self.arrived,
                started=self.started,
                first_token=self.first_token,
                preempted=self.preempted,
                finished=None if finish is None else now,
            ),
        )
