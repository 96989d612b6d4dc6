"""An engine with adapters on several ranks."""

from __future__ import annotations

from pathlib import Path

import torch
from adapter_harness import RecordingSampler
from torch import Tensor

from rostra.mesh.distributed.build import build_leader, run_follower
from rostra.mesh.distributed.place import Place
from rostra.mesh.engine.adapters import AdapterError
from rostra.mesh.engine.build import build_runner
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.messages import EngineRequest, SamplingParams


def _engine(place: Place, config: EngineConfig) -> tuple[Engine, RecordingSampler]:
    torch.set_num_threads(1)
    if place.rank:
        run_follower(config, place)
    sampler = RecordingSampler()
    if place.size == 1:
        runner = build_runner(config, sampler=sampler)
    else:
        _, runner = build_leader(config, place, sampler=sampler)
    return Engine(runner, config), sampler


def generate_adapted(
    place: Place, config: EngineConfig, folders: dict[str, Path], prompt: list[int]
) -> dict[str, tuple[list[int], Tensor]]:
    """Tokens and logits with each adapter, and without, in one batch. They are loaded one by one
    while the others run."""
    engine, sampler = _engine(place, config)
    tokens: dict[str, list[int]] = {}

    def step() -> None:
        for output in engine.step():
            tokens[output.request_id] += [token.id for token in output.tokens]

    for name, folder in {"": None, **folders}.items():
        if folder is not None:
            resident = engine.adapters.reserve(name)
            engine.adapters.fill(resident, engine.adapters.prepare(folder))
        params = SamplingParams(temperature=0.0, max_tokens=12)
        tokens[name or "none"] = []
        engine.add_request(
            EngineRequest(
                request_id=name or "none", prompt_token_ids=prompt, sampling=params, adapter=name
            )
        )
        step()
    while engine.has_work:
        step()
    return {name: (ids, torch.stack(sampler.logits[name])) for name, ids in tokens.items()}


def load_what_others_lack(
    place: Place, config: EngineConfig, folder: Path, mine: Path, prompt: list[int]
) -> tuple[str, list[int]]:
    """Rank 0 finds an adapter in `folder` that it has prepared from `mine`. The refusal, and what
    the engine makes after it."""
    engine, _ = _engine(place, config)
    prepared = engine.adapters.prepare(mine)
    resident = engine.adapters.reserve("it")
    refusal = ""
    try:
        engine.adapters.fill(
            resident, type(prepared)(folder, prepared.revision, prepared.rank, prepared.parts)
        )
    except AdapterError as error:
        engine.adapters.drop(resident)
        refusal = str(error)
    params = SamplingParams(temperature=0.0, max_tokens=4)
    engine.add_request(EngineRequest(request_id="a", prompt_token_ids=prompt, sampling=params))
    made = []
    while engine.has_work:
        made += [token.id for output in engine.step() for token in output.tokens]
    return refusal, made
