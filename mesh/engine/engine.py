"""The loop that joins the scheduler and the runner."""

from __future__ import annotations

from typing import Protocol

from rostra.mesh.engine.plan import StepPlan, StepResult


class StepRunner(Protocol):
    """What computes. It holds the tensors; the scheduler tells it of requests and blocks only."""

    @property
    def num_blocks(self) -> int: ...

    @property
    def block_size(self) -> int: ...

    @property
    def max_model_len(self) -> int:
        """Prompt and output together, in tokens."""
        ...

    @property
    def vocab_size(self) -> int: ...

    def run(self, plan: StepPlan) -> StepResult:
        """Computes one step; see `StepPlan` for the contract. `plan.scheduled` is never empty."""
        ...
