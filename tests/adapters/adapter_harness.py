"""An engine with adapters, driven step by step, and the logits it saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rostra.mesh.engine.build import build_runner
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.engine import Engine
from rostra.mesh.engine.messages import EngineRequest, SamplingParams
from rostra.mesh.engine.runner import Runner
from rostra.mesh.engine.sampler import Sampler


class RecordingSampler(Sampler):
    """Samples as ever; keeps the logits by request, in the order of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.logits: dict[str, list[Tensor]] = {}

    def launch(self, logits, rows):
        for row, values in zip(rows, logits, strict=True):
            self.logits.setdefault(row.request_id, []).append(values.clone())
        return super().launch(logits, rows)


class AdapterHarness:
    def __init__(self, folder: Path, **settings: Any) -> None:
        ops = settings.pop("ops", None)
        defaults = {
            "num_threads": 2,
            "dtype": "float32",
            "max_num_seqs": 16,
            "max_model_len": 128,
            "num_blocks": 120,
            "max_adapters": 4,
            "max_adapter_rank": 256,
        }
        self.config = EngineConfig(model_path=str(folder), **(defaults | settings))
        self.sampler = RecordingSampler()
        self.engine = Engine(self.build_runner(folder, ops), self.config)
        self.tokens: dict[str, list[int]] = {}
        self.cached: dict[str, int] = {}

    def build_runner(self, folder: Path, ops: Any) -> Runner:
        return build_runner(self.config, ops=ops, sampler=self.sampler)

    def load(self, name: str, folder: Path) -> None:
        table = self.engine.adapters
        resident = table.reserve(name)
        table.fill(resident, table.prepare(folder))

    def add(self, name: str, prompt: list[int], adapter: str = "", max_tokens: int = 6, **rest):
        sampling = SamplingParams(temperature=0.0, max_tokens=max_tokens)
        self.engine.add_request(
            EngineRequest(
                request_id=name,
                prompt_token_ids=prompt,
                sampling=sampling,
                adapter=adapter,
                **rest,
            )
        )
        self.tokens[name] = []

    def step(self) -> None:
        for output in self.engine.step():
            assert output.error is None, output.error
            self.tokens[output.request_id] += [token.id for token in output.tokens]
            if output.num_cached_tokens is not None:
                self.cached[output.request_id] = output.num_cached_tokens
        self.engine.check_integrity()

    def run(self) -> None:
        while self.engine.has_work:
            self.step()

    def generate(self, name: str, prompt: list[int], adapter: str = "", max_tokens: int = 6):
        """The tokens, and the logits that each was chosen from [n, vocab]."""
        self.add(name, prompt, adapter, max_tokens)
        self.run()
        return self.tokens[name], torch.stack(self.sampler.logits[name])


def random_prompt(length: int, seed: int, vocab_size: int = 199) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, vocab_size, (length,), generator=generator).tolist()


@torch.inference_mode()
def reference_logits(model: Any, prompt: list[int], tokens: list[int]) -> Tensor:
    """Those that `tokens` would be chosen from."""
    return model(torch.tensor([prompt + tokens])).logits[0, len(prompt) - 1 : -1]
