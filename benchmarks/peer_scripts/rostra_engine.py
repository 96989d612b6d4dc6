"""Rostra's engine, measured as its peers are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import protocol

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from benchmarks.drive import drive, open_engine
from benchmarks.models import ChosenModel
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.messages import EngineRequest, SamplingParams


def main() -> None:
    settings = protocol.settings()
    model = ChosenModel("model", Path(settings["model"]), settings["random"])
    engine = open_engine(
        EngineConfig(
            model_path=settings["model"],
            max_num_seqs=settings["streams"],
            max_model_len=settings["room"],
            num_blocks=settings["streams"] * -(-settings["room"] // 16) + 1,
            prefix_caching=False,
            **settings["engine"],
        ),
        model,
    )

    def measure(prompts: list[list[int]], output_tokens: int) -> dict[str, Any]:
        params = SamplingParams(temperature=0.0, max_tokens=output_tokens)
        run = drive(
            engine,
            [
                EngineRequest(request_id=str(i), prompt_token_ids=prompt, sampling=params)
                for i, prompt in enumerate(prompts)
            ],
        )
        return {
            "prefill_s": run.prefill_seconds,
            "seconds": run.seconds,
            "tokens": sum(map(len, run.tokens.values())),
            "steps": run.decode_steps,
        }

    protocol.serve({"torch": torch.__version__}, measure)


main()
