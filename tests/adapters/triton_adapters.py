"""Adapters through Triton's interpreter, steps recorded; run by test_adapters_triton.py.

The arguments are the folders of the base model and of two adapters, and the prompts as JSON.
TRITON_INTERPRET must be set before triton is first imported, hence a process of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from adapter_harness import AdapterHarness

from rostra.mesh.adapters import AdapterSlots
from rostra.mesh.engine.graphs import Work
from rostra.mesh.engine.kv_cache import KVCache, KVCacheShape
from rostra.mesh.engine.requests import RunnerLimits
from rostra.mesh.engine.runner import Runner
from rostra.mesh.models import load_model
from rostra.mesh.ops.triton import TritonOps


class TritonHarness(AdapterHarness):
    """The runner of a GPU, its tensors on the CPU, with repeated work in place of CUDA graphs."""

    def build_runner(self, folder, ops):
        device = torch.device("cpu")
        self.replays = 0
        limits = RunnerLimits(64, 4, 64, num_adapter_slots=2)
        model = load_model(folder, device, torch.float32, max_model_len=64, ops=TritonOps(device))
        shape = KVCacheShape.of(model, 16, torch.float32)
        runner = Runner(
            model,
            KVCache.allocate(shape, 16, device),
            limits,
            self.sampler,
            self.capture,
            adapters=AdapterSlots(model, 2, 16, device, torch.float32),
        )
        runner.warm_up()
        return runner

    def capture(self, work: Work) -> Work:
        work()

        def again() -> None:
            self.replays += 1
            work()

        return again


def main() -> None:
    base, first, second, prompts = sys.argv[1:]
    harness = TritonHarness(Path(base), max_adapters=2, max_num_seqs=4)
    harness.load("first", Path(first))
    harness.load("second", Path(second))
    before = harness.replays
    for name, prompt in json.loads(prompts).items():
        harness.add(name, prompt, name.partition(" ")[0].replace("none", ""), max_tokens=3)
    harness.run()
    logits = {name: torch.stack(rows).tolist() for name, rows in harness.sampler.logits.items()}
    made = {"tokens": harness.tokens, "logits": logits, "replays": harness.replays - before}
    json.dump(made, sys.stdout)


if __name__ == "__main__":
    main()
