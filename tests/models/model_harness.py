"""Runs an engine over a checkpoint and keeps every row of logits the runner hands out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rostra.mesh.engine.build import build_runner
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.messages import EngineRequest, RequestOutput, SamplingParams
from rostra.mesh.engine.sampler import PendingSample, Sampler, SamplingRow
from rostra.mesh.ops import Ops


class RecordingSampler(Sampler):
    """Samples as ever; keeps the logits by request and by number of tokens known."""

    def __init__(self) -> None:
        super().__init__()
        self.logits: dict[tuple[str, int], Tensor] = {}

    def launch(self, logits: Tensor, rows: Sequence[SamplingRow]) -> PendingSample:
        for row, values in zip(rows, logits, strict=True):
            known = row.num_prompt_tokens + row.num_output_tokens
            self.logits[row.request_id, known] = values.clone()
        return super().launch(logits, rows)


class Harness:
    """An engine on one thread, and what came out of it."""

    def __init__(self, folder: Path, *, ops: Ops | None = None, **settings: Any) -> None:
        defaults = {"num_threads": 1, "dtype": "float32", "max_num_seqs": 8, "max_model_len": 512}
        config = EngineConfig(model_path=str(folder), **(defaults | settings))
        self.sampler = RecordingSampler()
        self.runner = build_runner(config, ops=ops, sampler=self.sampler)
        self.engine = Engine(self.runner, config)
        self.outputs: dict[str, list[RequestOutput]] = {}

    def generate(
        self, prompts: dict[str, list[int]], max_tokens: int, **sampling: Any
    ) -> dict[str, list[int]]:
        """Greedy continuations of all prompts, run together, by name."""
        params = SamplingParams(**({"temperature": 0.0, "max_tokens": max_tokens} | sampling))
        for name, prompt in prompts.items():
            self.engine.add_request(
                EngineRequest(request_id=name, prompt_token_ids=prompt, sampling=params)
            )
            self.outputs[name] = []
        while self.engine.has_work:
            for output in self.engine.step():
                assert output.error is None, output.error
                self.outputs[output.request_id].append(output)
            self.engine.check_integrity()
        return {name: self.token_ids(name) for name in prompts}

    def token_ids(self, name: str) -> list[int]:
        return [token.id for output in self.outputs[name] for token in output.tokens]


def random_prompts(lengths: Sequence[int], vocab_size: int, seed: int = 0) -> dict[str, list[int]]:
    generator = torch.Generator().manual_seed(seed)
    return {
        f"{i}: {length} tokens": torch.randint(
            3, vocab_size, (length,), generator=generator
        ).tolist()
        for i, length in enumerate(lengths)
    }


@torch.inference_mode()
def expected_tokens(model: Any, prompt: list[int], max_tokens: int) -> list[int]:
    """What transformers' `generate` makes of the prompt, greedily and without an end."""
    ids = torch.tensor([prompt])
    made = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=max_tokens,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    return made[0, len(prompt) :].tolist()


@torch.inference_mode()
def check_against(
    harness: Harness, model: Any, prompts: dict[str, list[int]], tolerance: float = 1e-4
) -> None:
    """Every row of logits recorded for the prompts equals that of transformers, and every token is
    the most likely one there: by induction, greedy `generate` makes the same continuation."""
    for name, prompt in prompts.items():
        made = harness.token_ids(name)
        reference = model(torch.tensor([prompt + made])).logits[0, len(prompt) - 1 : -1]
        assert reference.argmax(-1).tolist() == made, name
        recorded = [
            harness.sampler.logits[name, known]
            for known in range(len(prompt), len(prompt) + len(made))
        ]
        assert (torch.stack(recorded) - reference).abs().max().item() < tolerance, name
