"""Greedy tokens of one checkpoint through Triton's interpreter; run by test_triton_wiring.py.

The arguments are the folder of the checkpoint, the prompts and the engine's settings, both as JSON,
and the quantization of the weights.
TRITON_INTERPRET must be set before triton is first imported, hence a process of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from model_harness import Harness

from rostra.mesh.ops.triton import TritonOps


def main() -> None:
    folder, prompts, settings = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
    harness = Harness(folder, ops=TritonOps(torch.device("cpu"), sys.argv[4]), **settings)
    made = harness.generate(prompts, max_tokens=3)
    logits = {
        f"{name} {known}": values.tolist()
        for (name, known), values in harness.sampler.logits.items()
    }
    json.dump({"tokens": made, "logits": logits}, sys.stdout)


if __name__ == "__main__":
    main()
