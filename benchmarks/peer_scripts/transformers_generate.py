"""transformers' `generate`: all prompts as one batch, which ends when the last one has."""

from __future__ import annotations

from typing import Any

import protocol
import torch
import transformers_model
from transformers import LogitsProcessor, LogitsProcessorList


class Steps(LogitsProcessor):
    """Called once in each step, with the logits that the next tokens are taken from."""

    def __init__(self, marks: protocol.Marks) -> None:
        self._marks = marks

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if scores.is_cuda:
            torch.cuda.synchronize()
        self._marks.step()
        return scores


def main() -> None:
    settings = protocol.settings()
    model = transformers_model.load(settings)

    @torch.inference_mode()
    def measure(prompts: list[list[int]], output_tokens: int) -> dict[str, Any]:
        token_ids = torch.tensor(prompts, device=settings["device"])
        marks = protocol.Marks()
        out = model.generate(
            token_ids,
            attention_mask=torch.ones_like(token_ids),
            do_sample=False,
            min_new_tokens=output_tokens,
            max_new_tokens=output_tokens,
            pad_token_id=0,
            logits_processor=LogitsProcessorList([Steps(marks)]),
        )
        return marks.result(out[:, token_ids.shape[1] :].numel())

    protocol.serve(transformers_model.versions(), measure)


main()
