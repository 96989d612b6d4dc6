"""Takes the tokens out of the logits that a grammar does not allow next."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from rostra.kernels.launch import Launch, require

BLOCK = 4096


@triton.jit
def apply_token_mask_kernel(  # type: ignore[no-untyped-def]
    logits_ptr, words_ptr, rows_ptr, vocab, num_words, logits_stride, BLOCK: tl.constexpr
):
    masked_row = tl.program_id(0).to(tl.int64)
    token = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = token < vocab
    word = tl.load(words_ptr + masked_row * num_words + (token >> 5), mask=inside, other=0)
    allowed = (word >> (token & 31)) & 1
    row = tl.load(rows_ptr + masked_row)
    tl.store(
        logits_ptr + row * logits_stride + token,
        tl.full([BLOCK], -float("inf"), tl.float32),
        mask=inside & (allowed == 0),
    )


def apply_token_mask_launches(
    logits: torch.Tensor, words: torch.Tensor, rows: torch.Tensor
) -> list[Launch]:
    """What `apply_token_mask` runs: one program for each block of each masked row."""
    return [
        Launch(
            kernel=apply_token_mask_kernel,
            grid=(words.shape[0], triton.cdiv(logits.shape[1], BLOCK), 1),
            arguments={
                "logits_ptr": logits,
                "words_ptr": words,
                "rows_ptr": rows,
                "vocab": logits.shape[1],
                "num_words": words.shape[1],
                "logits_stride": logits.stride(0),
            },
            constants={"BLOCK": BLOCK},
            num_warps=8,
        )
    ]


def apply_token_mask(logits: torch.Tensor, words: torch.Tensor, rows: torch.Tensor) -> None:
    """Sets to minus infinity, in place, the logits of tokens whose bit is 0.

    logits: [n, vocab] float32 with contiguous rows. words: [m, ceil(vocab / 32)] int32, a bit for
    each token, the lowest first. rows: [m] int64, distinct: the row of `logits` that each row of
    `words` is for; other rows stay as they are. Waits for nothing. Raises `KernelError` for shapes,
    types or devices it does not take.
    """
    name = "apply_token_mask"
    require(
        logits.dim() == 2
        and logits.dtype == torch.float32
        and (logits.stride(1) == 1 or logits.shape[1] <= 1),
        name,
        f"logits is {logits.dtype} {tuple(logits.shape)}, not float32 [n, vocab] with contiguous "
        "rows",
    )
    for what, tensor, dtype, shape in (
        ("words", words, torch.int32, (len(rows), -(-logits.shape[1] // 32))),
        ("rows", rows, torch.int64, (len(rows),)),
    ):
        require(
            tensor.dtype == dtype
            and tensor.shape == shape
            and tensor.is_contiguous()
            and tensor.device == logits.device,
            name,
            f"{what} is {tensor.dtype} {tuple(tensor.shape)} on {tensor.device}, not {dtype} "
            f"{shape} on {logits.device}",
        )
    for launch in apply_token_mask_launches(logits, words, rows):
        launch.run(logits.device)
