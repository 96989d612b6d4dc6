"""The Triton code of products with quantised weights; `quantized_matmul.py` launches it.

Weights travel from memory to registers as the byte they are stored in and are widened there, one
tile at a time, to the type of the activations: exactly, since int8 and e4m3 both fit into 8 bits of
mantissa. The scale of a channel is a factor of its whole sum, so it is applied once, at the end.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def widen(weight, dtype: tl.constexpr):  # type: ignore[no-untyped-def]
    """int8 or e4m3 as float type `dtype`, exactly.

    In ways around conversions that run at an eighth of the rate of other arithmetic: 16 a clock on
    a multiprocessor, where memory brings 13 to 29 weights a clock.
    """
    if weight.dtype == tl.int8 and dtype == tl.float16:
        # The byte in the mantissa of a number whose last bit is 1: 1024 + 128 + weight.
        byte = weight.to(tl.uint8, bitcast=True).to(tl.uint16)
        wide = ((byte ^ 0x80) | 0x6400).to(tl.float16, bitcast=True) - 1152.0
    elif dtype == tl.bfloat16:
        # Directly, e4m3 would become float16, and that bfloat16 by such a conversion.
        wide = weight.to(tl.float32).to(tl.bfloat16)
    else:
        wide = weight.to(dtype)
    return wide


@triton.jit(do_not_specialize=["num_rows"])
def quantized_matmul_kernel(  # type: ignore[no-untyped-def]
    out_ptr,
    x_ptr,
    weight_ptr,
    scale_ptr,
    bias_ptr,
    num_rows,
    num_columns,
    depth,
    split_depth,
    out_stride_split,
    out_stride,
    x_stride,
    weight_stride,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    EVEN_K: tl.constexpr,
    SPLIT: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """One tile of the product over one part of the depth.

    Neighbouring programs share a tile of weights, so that it is read from memory once.
    """
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    column = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    split = tl.program_id(2)
    row_mask = row < num_rows
    column_mask = column < num_columns
    x_ptr += row.to(tl.int64)[:, None] * x_stride
    weight_ptr += column.to(tl.int64)[:, None] * weight_stride
    first = split * split_depth
    # Only the last tile of the last split can reach beyond the depth.
    end = tl.minimum(first + split_depth, depth)
    acc = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    for start in range(first, end, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)[None, :]
        x_mask = row_mask[:, None]
        weight_mask = column_mask[:, None]
        if not EVEN_K:
            x_mask &= k < depth
            weight_mask &= k < depth
        x = tl.load(x_ptr + k, mask=x_mask, other=0.0)
        weight = tl.load(weight_ptr + k, mask=weight_mask, other=0.0)
        acc = tl.dot(x, widen(weight, x.dtype).T, acc, input_precision=PRECISION)

    out_ptr += row.to(tl.int64)[:, None] * out_stride + column[None, :]
    mask = row_mask[:, None] & column_mask[None, :]
    if SPLIT:
        tl.store(out_ptr + split.to(tl.int64) * out_stride_split, acc, mask=mask)
    else:
        acc *= tl.load(scale_ptr + column, mask=column_mask, other=0.0)[None, :]
        if bias_ptr is not None:
            acc += tl.load(bias_ptr + column, mask=column_mask, other=0.0).to(tl.float32)[None, :]
        tl.store(out_ptr, acc.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["num_splits"])
def add_splits_kernel(  # type: ignore[no-untyped-def]
    out_ptr,
    partial_ptr,
    scale_ptr,
    bias_ptr,
    num_columns,
    num_splits,
    out_stride,
    partial_stride_split,
    partial_stride,
    BLOCK: tl.constexpr,
):
    """The sum of the parts, in their order, so that the result is the same every time."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = column < num_columns
    partial_ptr += row * partial_stride + column
    total = tl.zeros([BLOCK], tl.float32)
    for _ in range(num_splits):
        total += tl.load(partial_ptr, mask=mask, other=0.0)
        partial_ptr += partial_stride_split
    total *= tl.load(scale_ptr + column, mask=mask, other=0.0)
    if bias_ptr is not None:
        total += tl.load(bias_ptr + column, mask=mask, other=0.0).to(tl.float32)
    tl.store(out_ptr + row * out_stride + column, total.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def dequantize_kernel(  # type: ignore[no-untyped-def]
    out_ptr,
    weight_ptr,
    scale_ptr,
    depth,
    out_stride,
    weight_stride,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    k = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = k < depth
    weight = tl.load(weight_ptr + row * weight_stride + k, mask=mask, other=0.0)
    dtype = out_ptr.dtype.element_ty
    scaled = widen(weight, dtype).to(tl.float32) * tl.load(scale_ptr + row)
    tl.store(out_ptr + row * out_stride + k, scaled.to(dtype), mask=mask)
