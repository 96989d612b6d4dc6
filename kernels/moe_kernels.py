"""The Triton code of a mixture of experts; `moe.py` launches it.

A pair is one of the `top_k` experts of one token: number token * top_k + rank. Pairs are laid out
expert after expert, each expert's padded to whole tiles, so that a tile of the products has one
expert's weights. How many tiles there are only the device knows: the grid has as many as there can
be at most, and those beyond return at once.
"""

from __future__ import annotations

import triton
import triton.language as tl

from rostra.kernels.quantized_matmul_kernels import widen

NO_EXPERT = tl.constexpr(-1)
"""Of a tile that nothing fills."""
_TAKEN = tl.constexpr(-(2**31))
"""Below the order of every float32."""


@triton.jit(do_not_specialize=["num_tokens"])
def route_kernel(  # type: ignore[no-untyped-def]
    factors_ptr,
    experts_ptr,
    counts_ptr,
    logits_ptr,
    num_tokens,
    logits_stride,
    NUM_EXPERTS: tl.constexpr,
    TOP_K: tl.constexpr,
    RENORMALIZE: tl.constexpr,
    BLOCK_TOKENS: tl.constexpr,
    BLOCK_EXPERTS: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Experts and factors of a block of tokens, and how many tokens of it each expert has."""
    block = tl.program_id(0)
    token = block * BLOCK_TOKENS + tl.arange(0, BLOCK_TOKENS)
    expert = tl.arange(0, BLOCK_EXPERTS)[None, :]
    exists = (token < num_tokens)[:, None] & (expert < NUM_EXPERTS)
    logits_ptr += token.to(tl.int64)[:, None] * logits_stride
    logits = tl.load(logits_ptr + expert, mask=exists, other=0.0).to(tl.float32)
    logits = tl.where(expert < NUM_EXPERTS, logits, float("-inf"))
    largest = tl.max(logits, axis=1)
    likelihood = tl.exp(logits - largest[:, None])

    # Integers of the same order, so that every expert stays above those that are taken. NaN comes
    # first and both zeros are equal, as in PyTorch.
    known = tl.where(logits != logits, float("inf"), logits + 0.0)  # noqa: PLR0124
    bits = known.to(tl.int32, bitcast=True)
    order = tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    order = tl.where(exists, order, _TAKEN)
    rank = tl.arange(0, BLOCK_K)[None, :]
    factors = tl.zeros([BLOCK_TOKENS, BLOCK_K], tl.float32)
    experts = tl.zeros([BLOCK_TOKENS, BLOCK_K], tl.int32)
    for i in range(TOP_K):
        best = tl.argmax(order, axis=1)
        chosen = expert == best[:, None]
        value = tl.sum(tl.where(chosen, likelihood, 0.0), axis=1)
        factors = tl.where(rank == i, value[:, None], factors)
        experts = tl.where(rank == i, best[:, None], experts)
        order = tl.where(chosen, _TAKEN, order)
    total = tl.sum(factors, axis=1) if RENORMALIZE else tl.sum(likelihood, axis=1)
    factors /= total[:, None]

    pair = token.to(tl.int64)[:, None] * TOP_K + rank
    mask = (token < num_tokens)[:, None] & (rank < TOP_K)
    tl.store(factors_ptr + pair, factors, mask=mask)
    tl.store(experts_ptr + pair, experts, mask=mask)
    # A token's experts are distinct.
    taken = ((order == _TAKEN) & exists).to(tl.int32)
    column = tl.arange(0, BLOCK_EXPERTS)
    tl.store(
        counts_ptr + block * NUM_EXPERTS + column, tl.sum(taken, axis=0), mask=column < NUM_EXPERTS
    )


@triton.jit(do_not_specialize=["num_pairs", "num_blocks", "max_tiles"])
def group_kernel(  # type: ignore[no-untyped-def]
    pairs_ptr,
    tile_experts_ptr,
    experts_ptr,
    counts_ptr,
    num_pairs,
    num_blocks,
    max_tiles,
    NUM_EXPERTS: tl.constexpr,
    BLOCK_EXPERTS: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_COUNTS: tl.constexpr,
    BLOCK_PAIRS: tl.constexpr,
):
    """The pairs of one expert in ascending order, `num_pairs` where its last tile has no more, and
    its number for each of its tiles. The last expert also marks what is beyond all tiles."""
    own = tl.program_id(0)
    expert = tl.arange(0, BLOCK_EXPERTS)
    count = tl.zeros([BLOCK_EXPERTS], tl.int32)
    for first in range(0, num_blocks, BLOCK_COUNTS):
        block = first + tl.arange(0, BLOCK_COUNTS)
        mask = (block < num_blocks)[:, None] & (expert < NUM_EXPERTS)[None, :]
        counts = tl.load(
            counts_ptr + block[:, None] * NUM_EXPERTS + expert[None, :], mask=mask, other=0
        )
        count += tl.sum(counts, axis=0)
    num_tiles = (count + BLOCK_M - 1) // BLOCK_M
    first_tile = tl.sum(tl.where(expert < own, num_tiles, 0), axis=0)
    end_tile = first_tile + tl.sum(tl.where(expert == own, num_tiles, 0), axis=0)

    place = first_tile * BLOCK_M
    for first in range(0, num_pairs, BLOCK_PAIRS):
        pair = first + tl.arange(0, BLOCK_PAIRS)
        chosen = tl.load(experts_ptr + pair, mask=pair < num_pairs, other=-1)
        mine = (chosen == own).to(tl.int32)
        tl.store(pairs_ptr + place + tl.cumsum(mine, axis=0) - 1, pair, mask=mine == 1)
        place += tl.sum(mine, axis=0)
    rest = place + tl.arange(0, BLOCK_M)
    tl.store(pairs_ptr + rest, num_pairs, mask=rest < end_tile * BLOCK_M)

    for first in range(first_tile, end_tile, BLOCK_PAIRS):
        tile = first + tl.arange(0, BLOCK_PAIRS)
        tl.store(tile_experts_ptr + tile, own, mask=tile < end_tile)
    if own == NUM_EXPERTS - 1:
        for first in range(end_tile, max_tiles, BLOCK_PAIRS):
            tile = first + tl.arange(0, BLOCK_PAIRS)
            tl.store(tile_experts_ptr + tile, NO_EXPERT, mask=tile < max_tiles)


@triton.jit(do_not_specialize=["num_pairs"])
def expert_matmul_kernel(  # type: ignore[no-untyped-def]
    out_ptr,
    x_ptr,
    weight_ptr,
    scale_ptr,
    factors_ptr,
    pairs_ptr,
    tile_experts_ptr,
    num_pairs,
    num_columns,
    depth,
    out_stride,
    x_stride,
    weight_stride_expert,
    weight_stride,
    PAIRS_PER_ROW: tl.constexpr,
    GATED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    EVEN_K: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """One tile of pairs times BLOCK_N rows of their expert's weights.

    Neighbouring programs share those rows where an expert has several tiles. Rows of `x` serve
    PAIRS_PER_ROW pairs each. GATED: rows of gate and up take turns in the tile, so that a lane
    holds both of an output, which is silu(gate) * up; `num_columns` counts outputs.
    """
    tile = tl.program_id(0)
    expert = tl.load(tile_experts_ptr + tile)
    if expert == NO_EXPERT:
        return
    pair = tl.load(pairs_ptr + tile.to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M))
    pair_mask = pair < num_pairs
    turn = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    if GATED:
        column_mask = turn // 2 < num_columns
        row = turn // 2 + (turn % 2) * num_columns
    else:
        column_mask = turn < num_columns
        row = turn
    x_ptr += (pair // PAIRS_PER_ROW).to(tl.int64)[:, None] * x_stride
    weight_ptr += expert.to(tl.int64) * weight_stride_expert
    weight_ptr += row.to(tl.int64)[:, None] * weight_stride
    acc = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    for start in range(0, depth, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)[None, :]
        x_mask = pair_mask[:, None]
        weight_mask = column_mask[:, None]
        if not EVEN_K:
            x_mask &= k < depth
            weight_mask &= k < depth
        x = tl.load(x_ptr + k, mask=x_mask, other=0.0)
        weight = tl.load(weight_ptr + k, mask=weight_mask, other=0.0)
        if weight.dtype != x.dtype:
            weight = widen(weight, x.dtype)
        acc = tl.dot(x, weight.T, acc, input_precision=PRECISION)

    if scale_ptr is not None:
        num_rows = 2 * num_columns if GATED else num_columns
        scale_ptr += expert.to(tl.int64) * num_rows
        acc *= tl.load(scale_ptr + row, mask=column_mask, other=0.0)[None, :]
    if GATED:
        gate, up = tl.split(acc.reshape(BLOCK_M, BLOCK_N // 2, 2))
        acc = gate * tl.sigmoid(gate) * up
        column = tl.program_id(1) * (BLOCK_N // 2) + tl.arange(0, BLOCK_N // 2)
    else:
        acc *= tl.load(factors_ptr + pair, mask=pair_mask, other=0.0)[:, None]
        column = turn
    out_ptr += pair.to(tl.int64)[:, None] * out_stride + column[None, :]
    mask = pair_mask[:, None] & (column < num_columns)[None, :]
    tl.store(out_ptr, acc.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def combine_kernel(  # type: ignore[no-untyped-def]
    out_ptr,
    x_ptr,
    num_columns,
    out_stride,
    x_stride,
    TOP_K: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The sum of a token's pairs, in their order, so that the result is the same every time."""
    token = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = column < num_columns
    x_ptr += token * TOP_K * x_stride + column
    total = tl.zeros([BLOCK], tl.float32)
    for i in range(TOP_K):
        total += tl.load(x_ptr + i * x_stride, mask=mask, other=0.0).to(tl.float32)
    tl.store(out_ptr + token * out_stride + column, total.to(out_ptr.dtype.element_ty), mask=mask)
