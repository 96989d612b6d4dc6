"""A mixture of experts against its reference, and against the least that it can take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.kernel_timing import Timer, largest_error, tolerance
from benchmarks.results import Row
from rostra.kernels import moe_reference
from rostra.kernels.chip import Chip
from rostra.kernels.launch import Launch
from rostra.kernels.moe import mixture_of_experts, mixture_of_experts_launches
from rostra.kernels.quantize import quantize_weight
from rostra.kernels.quantized_matmul import WEIGHT_TYPES, can_multiply

DECODE_GOAL = ">= 80 % of copy"
PREFILL_GOAL = ">= 60 % of matmul"


Weights = tuple[Tensor, Tensor, Tensor | None, Tensor | None]
"""gate_up, down, and their scales."""


@dataclass(frozen=True)
class Mixture:
    num_experts: int
    top_k: int
    hidden: int
    intermediate: int

    def weights(self, device: str, dtype: torch.dtype, weight_type: torch.dtype | None) -> Weights:
        gate_up = (self.num_experts, 2 * self.intermediate, self.hidden)
        down = (self.num_experts, self.hidden, self.intermediate)
        made = [_random(shape, device, dtype, weight_type) for shape in (gate_up, down)]
        (gate_up_values, gate_up_scale), (down_values, down_scale) = made
        return gate_up_values, down_values, gate_up_scale, down_scale


def _random(
    shape: tuple[int, int, int], device: str, dtype: torch.dtype, weight_type: torch.dtype | None
) -> tuple[Tensor, Tensor | None]:
    """Made one expert after the other, with little memory beside them."""
    values = torch.empty(shape, device=device, dtype=weight_type or dtype)
    scales = None if weight_type is None else torch.empty(shape[:2], device=device)
    for expert in range(shape[0]):
        matrix = torch.randn(shape[1:], device=device).mul_(shape[2] ** -0.5).to(dtype)
        if scales is None:
            values[expert] = matrix
        else:
            values[expert], scales[expert] = quantize_weight(matrix, values.dtype)
    return values, scales


MIXTURES = {
    "Mixtral 8x7B": Mixture(8, 2, 4096, 14_336),
    "Qwen3 30B A3B": Mixture(128, 8, 2048, 768),
}
TINY = {
    "few": Mixture(4, 2, 96, 48),
    "many, unaligned": Mixture(33, 5, 100, 52),
}


def checks(device: str, num_tokens: int) -> Iterator[Row]:
    dtype = torch.float16 if device == "cpu" else torch.bfloat16
    chip = Chip.of(torch.device(device))
    types = [None, *(each for each in WEIGHT_TYPES if can_multiply(each, chip))]
    for name, mixture in TINY.items():
        for weight_type in types if device != "cpu" else (None, torch.int8):
            weights = mixture.weights(device, dtype, weight_type)
            for tokens in (1, num_tokens):
                x = torch.randn(tokens, mixture.hidden, device=device).to(dtype)
                logits = torch.randn(tokens, mixture.num_experts, device=device)
                found, expected = (
                    compute(x, logits, *weights, top_k=mixture.top_k, renormalize=True)
                    for compute in (mixture_of_experts, moe_reference.mixture_of_experts)
                )
                error, limit = largest_error(found, expected), 2 * tolerance([dtype])
                yield {
                    "check": f"experts, {name}, {tokens} tokens, {weight_type or dtype}",
                    "error": error,
                    "right": error <= limit,
                }


def experts(timer: Timer, copy_rate: float, matmul_rate: float, quick: bool) -> Iterator[Row]:
    """One layer: its time as a share of the least, which is the greater of reading the weights of
    the experts touched and of multiplying."""
    chip = Chip.of(torch.device("cuda"))
    for name, mixture in MIXTURES.items():
        for weight_type in (None, *(each for each in WEIGHT_TYPES if can_multiply(each, chip))):
            weights = mixture.weights("cuda", torch.bfloat16, weight_type)
            for num_tokens in (1, 32, 4096) if quick else (1, 4, 16, 32, 128, 512, 2048, 8192):
                row = _layer(timer, mixture, weights, num_tokens, copy_rate, matmul_rate)
                kind = str(weight_type or torch.bfloat16).removeprefix("torch.")
                yield {"kernel": "experts", "model": name, "weights": kind, **row}
            del weights


def _layer(
    timer: Timer,
    mixture: Mixture,
    weights: Weights,
    num_tokens: int,
    copy_rate: float,
    matmul_rate: float,
) -> Row:
    gate_up, down, _, _ = weights
    x = torch.randn(num_tokens, mixture.hidden, device="cuda", dtype=torch.bfloat16)
    logits = torch.randn(num_tokens, mixture.num_experts, device="cuda", dtype=torch.bfloat16)
    launches = mixture_of_experts_launches(
        x,
        logits,
        *weights,
        top_k=mixture.top_k,
        renormalize=True,
        out=torch.empty_like(x),
        chip=Chip.of(x.device),
    )
    _run(launches)
    layer, products = timer.seconds(
        lambda: _run(launches),
        # Over the pairs that the run before has grouped.
        lambda: _run(launches[2:4]),
    )
    touched = logits.topk(mixture.top_k).indices.unique().numel()
    read = (gate_up.nbytes + down.nbytes) * touched // mixture.num_experts
    flop = 6 * num_tokens * mixture.top_k * mixture.hidden * mixture.intermediate
    reading, multiplying = read / copy_rate, flop / matmul_rate
    return {
        "tokens": num_tokens,
        "experts touched": touched,
        "us": layer * 1e6,
        "products us": products * 1e6,
        "least us": max(reading, multiplying) * 1e6,
        "of the least": max(reading, multiplying) / layer,
        "bound by": "memory" if reading > multiplying else "matmul",
        "goal": DECODE_GOAL if reading > multiplying else PREFILL_GOAL,
    }


def _run(launches: list[Launch]) -> None:
    for launch in launches:
        launch.run(torch.device("cuda"))
