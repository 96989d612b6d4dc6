"""transformers' continuous batching, with a cache as large as the load needs."""

from __future__ import annotations

from typing import Any

import protocol
import transformers_model
from transformers import ContinuousBatchingConfig, GenerationConfig

PAGE = 256


def main() -> None:
    settings = protocol.settings()
    model = transformers_model.load(settings)
    batching = ContinuousBatchingConfig(
        page_size=PAGE,
        num_blocks=2 * settings["streams"] * -(-settings["room"] // PAGE),
        max_batch_tokens=2048,
        allow_block_sharing=False,
    )

    def measure(prompts: list[list[int]], output_tokens: int) -> dict[str, Any]:
        # -1 is no token: nothing ends before its length.
        config = GenerationConfig(
            max_new_tokens=output_tokens, do_sample=False, eos_token_id=-1, pad_token_id=0
        )
        answers = model.generate_batch(
            prompts,
            generation_config=config,
            continuous_batching_config=batching,
            record_timestamps=True,
            persistent_manager=True,
        )
        outputs = list(answers.values())
        failed = [output.error for output in outputs if output.error]
        if failed or len(outputs) < len(prompts):
            raise RuntimeError(failed[0] if failed else "some requests were not answered")
        # Starting its thread, which a server does once, is left out.
        begin = min(output.created_time for output in outputs)
        return {
            "prefill_s": max(output.timestamps[0] for output in outputs) - begin,
            "seconds": max(output.timestamps[-1] for output in outputs) - begin,
            "tokens": sum(len(output.generated_tokens) for output in outputs),
            "steps": output_tokens - 1,
        }

    protocol.serve(transformers_model.versions(), measure)


main()
