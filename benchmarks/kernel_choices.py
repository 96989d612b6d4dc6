"""What the launch code of quantised products chooses, against what it could have chosen, and the
search for sampling's floors against a sort."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.kernel_timing import Timer
from benchmarks.results import Row
from rostra.kernels import reference
from rostra.kernels.chip import Chip
from rostra.kernels.quantize import quantize_weight
from rostra.kernels.quantized_matmul import (
    EXPAND_ROWS,
    dequantize,
    quantized_matmul_launches,
)
from rostra.kernels.sampling import lowest_weight_kept

SPLITS = (1, 2, 4, 8)
PARAMETERS = {
    # name: (top-k, top-p, min-p)
    "top-k 50": (50, 1.0, 0.0),
    "top-p 0.95": (0, 0.95, 0.0),
    "both, min-p 0.05": (50, 0.95, 0.05),
}


def _product(
    x: Tensor, weight: Tensor, scale: Tensor, num_splits: int | None = None
) -> Callable[[], None]:
    """The product in one kernel, however many rows, with its depth split as told."""
    out = x.new_empty(x.shape[0], weight.shape[0])
    launches = quantized_matmul_launches(
        x, weight, scale, None, out=out, chip=Chip.of(x.device), num_splits=num_splits
    )

    def run() -> None:
        for launch in launches:
            launch.run(x.device)

    return run


def _random(num_rows: int, columns: int, depth: int) -> tuple[Tensor, Tensor, Tensor]:
    x = torch.randn(num_rows, depth, device="cuda", dtype=torch.bfloat16)
    weight = torch.randn(columns, depth, device="cuda", dtype=torch.bfloat16)
    return x, *quantize_weight(weight, torch.int8)


def expanding(timer: Timer, quick: bool) -> Iterator[Row]:
    """From how many rows on it pays to widen the weights to memory and leave the rest to cuBLAS.

    That number should be `EXPAND_ROWS`.
    """
    columns, depth = 28_672, 4096
    for num_rows in (128, 512) if quick else (64, 128, 192, 256, 384, 512, 1024, 2048):
        x, weight, scale = _random(num_rows, columns, depth)
        inside, beside = timer.seconds(
            _product(x, weight, scale),
            lambda x=x, w=weight, s=scale: functional.linear(x, dequantize(w, s, x.dtype)),
        )
        yield {
            "choice": "widen beside" if num_rows > EXPAND_ROWS else "widen inside",
            "rows": num_rows,
            "inside us": inside * 1e6,
            "beside us": beside * 1e6,
            "right": (beside < inside) == (num_rows > EXPAND_ROWS),
        }


def splitting(timer: Timer, quick: bool) -> Iterator[Row]:
    """Into how many parts to split the depth of a product that has few output channels."""
    for columns, depth in ((1024, 4096), (4096, 4096), (4096, 14_336)):
        for num_rows in (1,) if quick else (1, 16, 64):
            x, weight, scale = _random(num_rows, columns, depth)
            chosen, *forced = timer.seconds(
                _product(x, weight, scale),
                *(_product(x, weight, scale, splits) for splits in SPLITS),
            )
            times = {
                f"{splits} splits us": seconds * 1e6
                for splits, seconds in zip(SPLITS, forced, strict=True)
            }
            yield {
                "weight": f"{columns}x{depth}",
                "rows": num_rows,
                "chosen us": chosen * 1e6,
                **times,
                "of the best": min(forced) / chosen,
            }


def floors(timer: Timer, quick: bool) -> Iterator[Row]:
    """Sampling's floors, with a vocabulary of 128,256 and a spread usual of language models."""
    for num_rows in (1, 64) if quick else (1, 16, 64, 256):
        logits = torch.randn(num_rows, 128_256, device="cuda") * 2.5
        weights = (logits - logits.amax(dim=-1, keepdim=True)).exp()
        for name, (top_k, top_p, min_p) in PARAMETERS.items():
            arguments = (
                torch.full((num_rows,), top_k, dtype=torch.int32, device="cuda"),
                torch.full((num_rows,), top_p, dtype=torch.float64, device="cuda"),
                torch.full((num_rows,), min_p, device="cuda"),
            )
            same = torch.equal(
                lowest_weight_kept(weights, *arguments),
                reference.lowest_weight_kept(weights, *arguments),
            )
            search, sort = timer.seconds(
                lambda w=weights, a=arguments: lowest_weight_kept(w, *a),
                lambda w=weights, a=arguments: reference.lowest_weight_kept(w, *a),
            )
            yield {
                "floors": name,
                "rows": num_rows,
                "us": search * 1e6,
                "sort us": sort * 1e6,
                "faster by": sort / search,
                "right": same,
            }
