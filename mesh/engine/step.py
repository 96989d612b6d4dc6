"""A step as the scheduler keeps it, and what it counts over all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from rostra.mesh.engine.plan import StepPlan
from rostra.mesh.engine.request import Request


class Counters(msgspec.Struct):
    """Since the start of the engine; fields as in `EngineLoad`."""

    prefix_cache_queried_tokens: int = 0
    prefix_cache_hit_tokens: int = 0
    preemptions: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    finished_requests: int = 0
    draft_tokens: int = 0
    accepted_draft_tokens: int = 0
    steps: int = 0
    step_tokens: int = 0
    step_requests: int = 0


@dataclass(slots=True)
class Step:
    """A plan, and what the scheduler needs to take in its result.

    It names requests by themselves and not by their ids: one that ends while the step is in flight
    may be followed by another of the same id.
    """

    plan: StepPlan = field(default_factory=lambda: StepPlan([], [], []))
    parts: list[tuple[Request, bool]] = field(default_factory=list)
    """Whose the parts of the plan are, in order, and whether a token is sampled for it."""
    num_drafts: int = 0
