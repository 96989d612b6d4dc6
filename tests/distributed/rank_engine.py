"""An engine on several ranks, and everything that came out of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from model_harness import RecordingSampler
from torch import Tensor

from rostra.mesh.distributed.build import build_leader, run_follower
from rostra.mesh.distributed.leader import Leader
from rostra.mesh.distributed.place import Place
from rostra.mesh.engine.build import build_runner
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.messages import EngineLoad, EngineRequest, RequestOutput, SamplingParams

Prompts = dict[str, tuple[list[int], dict[str, Any]]]
"""Token ids and sampling settings, among these a grammar, by request."""


@dataclass
class Made:
    token_ids: dict[str, list[int]]
    outputs: dict[str, list[RequestOutput]]
    logits: dict[tuple[str, int], Tensor]
    """By request and number of tokens known."""
    load: EngineLoad
    """At the end."""


def engine_config(folder: Path, **settings: Any) -> EngineConfig:
    defaults = {
        "num_threads": 1,
        "dtype": "float32",
        "max_num_seqs": 8,
        "max_model_len": 512,
        "num_blocks": 256,
    }
    return EngineConfig(model_path=str(folder), **(defaults | settings))


class Overlapping(Leader):
    """Has the engine launch each step before it takes the result of the one before, as on a GPU."""

    overlaps = True


def generate(
    place: Place, config: EngineConfig, prompts: Prompts, *, overlapping: bool = False
) -> Made:
    """Runs all prompts together. Followers never return."""
    torch.set_num_threads(1)
    if place.rank:
        run_follower(config, place)
    sampler = RecordingSampler()
    if place.size == 1:
        runner = build_runner(config, sampler=sampler)
    else:
        _, runner = build_leader(config, place, sampler=sampler)
        if overlapping:
            runner.__class__ = Overlapping
    engine = Engine(runner, config)
    outputs: dict[str, list[RequestOutput]] = {}
    for name, (prompt, given) in prompts.items():
        settings = {"temperature": 0.0, "max_tokens": 12} | given
        grammar = settings.pop("grammar", "")
        params = SamplingParams(**settings)
        engine.add_request(
            EngineRequest(
                request_id=name, prompt_token_ids=prompt, sampling=params, grammar=grammar
            )
        )
        outputs[name] = []
    while engine.has_work:
        for output in engine.step():
            outputs[output.request_id].append(output)
        engine.check_integrity()
    token_ids = {
        name: [token.id for output in made for token in output.tokens]
        for name, made in outputs.items()
    }
    return Made(token_ids, outputs, sampler.logits, engine.load())
