"""Drives a runner by hand-written plans, with drafts and with results that come late."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from rostra.mesh.engine.build import build_runner
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.graphs import Capture
from rostra.mesh.engine.kv_cache import KVCache, KVCacheShape
from rostra.mesh.engine.messages import SamplingParams
from rostra.mesh.engine.plan import (
    NewRequest,
    SampledToken,
    ScheduledRequest,
    StepPlan,
    StepResult,
)
from rostra.mesh.engine.requests import RunnerLimits
from rostra.mesh.engine.runner import Runner
from rostra.mesh.models import load_model

MAX_MODEL_LEN = 64
BLOCK_SIZE = 16
BLOCKS_EACH = MAX_MODEL_LEN // BLOCK_SIZE

SAMPLING: dict[str, dict[str, Any]] = {
    "greedy": {},
    "drawn": {"temperature": 1.0, "seed": 5},
    "filtered": {"temperature": 1.3, "seed": 6, "top_k": 40, "top_p": 0.9, "min_p": 0.01},
    "penalised": {
        "temperature": 0.9,
        "seed": 7,
        "repetition_penalty": 1.4,
        "presence_penalty": 0.5,
        "frequency_penalty": 0.7,
    },
    "with logprobs": {"temperature": 0.7, "seed": 8, "logprobs": 3},
}
"""Every kind of it, by name."""

Drafter = Callable[[str, Sequence[int]], Sequence[int]]
"""Drafts for a request of that name with these tokens."""


def make_runner(folder: Path, sampler: Any = None, ops: Any = None, **settings: Any) -> Runner:
    defaults = {
        "dtype": "float32",
        "num_threads": 1,
        "block_size": BLOCK_SIZE,
        "max_model_len": MAX_MODEL_LEN,
        "max_num_seqs": 4,
        "max_num_batched_tokens": 128,
        "num_blocks": 4 * BLOCKS_EACH,
    }
    config = EngineConfig(model_path=str(folder), **(defaults | settings))
    return build_runner(config, sampler=sampler, ops=ops)


def make_graph_runner(
    folder: Path, ops: Any, sampler: Any, capture: Capture | None, device: str = "cpu"
) -> Runner:
    """With room for a draft, and `capture` in place of the device's own."""
    where = torch.device(device)
    limits = RunnerLimits(MAX_MODEL_LEN, 4, 128, num_draft_tokens=1)
    model = load_model(folder, where, torch.float32, max_model_len=MAX_MODEL_LEN, ops=ops)
    shape = KVCacheShape.of(model, BLOCK_SIZE, torch.float32)
    cache = KVCache.allocate(shape, 4 * BLOCKS_EACH, where)
    return Runner(model, cache, limits, sampler, capture)


def no_drafts(_name: str, _tokens: Sequence[int]) -> Sequence[int]:
    return ()


@dataclass
class DrivenRequest:
    name: str
    tokens: list[int]
    num_prompt_tokens: int
    sampling: SamplingParams
    first_block: int
    num_computed: int = 0
    num_in_flight: int = 0
    started: bool = False
    sampled: list[SampledToken] = field(default_factory=list)

    @property
    def num_tokens(self) -> int:
        return len(self.tokens) + self.num_in_flight


class Driver:
    """Every request computes all it lacks in each step; each has blocks for the whole length."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.requests: dict[str, DrivenRequest] = {}
        self._free = [i * BLOCKS_EACH for i in range(runner.num_blocks // BLOCKS_EACH)]
        self._finished: list[str] = []

    def add(self, name: str, prompt: Sequence[int], **sampling: Any) -> None:
        params = SamplingParams(**({"temperature": 0.0} | sampling))
        self.requests[name] = DrivenRequest(
            name, list(prompt), len(prompt), params, self._free.pop()
        )

    def finish(self, name: str) -> DrivenRequest:
        request = self.requests.pop(name)
        self._free.append(request.first_block)
        if request.started:
            self._finished.append(name)
        return request

    def launch(self, drafter: Drafter = no_drafts) -> Callable[[], StepResult]:
        """Starts a step of the requests that are not at their full length.

        What is returned waits for it and takes in what it sampled.
        """
        new, scheduled, owners = [], [], []
        for request in self.requests.values():
            if request.num_tokens == MAX_MODEL_LEN:
                continue
            block_ids: list[int] = []
            if not request.started:
                new.append(
                    NewRequest(
                        request.name,
                        list(request.tokens),
                        request.num_prompt_tokens,
                        request.sampling,
                    )
                )
                block_ids = [request.first_block + i for i in range(BLOCKS_EACH)]
                request.started = True
            drafts = list(drafter(request.name, request.tokens)) if request.num_computed else []
            scheduled.append(
                ScheduledRequest(
                    request.name,
                    request.num_computed,
                    request.num_tokens - request.num_computed,
                    block_ids,
                    drafts,
                )
            )
            request.num_computed = request.num_tokens
            request.num_in_flight += 1
            owners.append(request)
        step = self.runner.launch(StepPlan(self._finished, new, scheduled))
        self._finished = []

        def take_in() -> StepResult:
            result = step.result()
            by_name = {owner.name: owner for owner in owners}
            for owner in owners:
                owner.num_in_flight -= 1
            for token in result.sampled:
                owner = by_name[token.request_id]
                owner.sampled.append(token)
                if token.error is None:
                    owner.tokens.append(token.token_id)
            for owner in owners:
                # Drafts that were right are computed already.
                owner.num_computed = owner.num_tokens - 1
            return result

        return take_in

    def step(self, drafter: Drafter = no_drafts) -> StepResult:
        return self.launch(drafter)()

    def run(self, num_tokens: int, drafter: Drafter = no_drafts) -> Mapping[str, list[int]]:
        """Steps until every request has that many tokens; those, by name."""
        while any(len(request.tokens) < num_tokens for request in self.requests.values()):
            self.step(drafter)
        return {name: r.tokens[:num_tokens] for name, r in self.requests.items()}

    def run_overlapped(self, num_tokens: int) -> Mapping[str, list[int]]:
        """The same, every step but the first launched before the result of the one before it."""
        pending = self.launch()
        while any(r.num_tokens < num_tokens for r in self.requests.values()):
            following = self.launch()
            pending()
            pending = following
        pending()
        return {name: r.tokens[:num_tokens] for name, r in self.requests.items()}
