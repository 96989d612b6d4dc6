"""The loop of paged attention over tiles of keys, shared by every tile of queries.

The softmax is the online one of FlashAttention-2 (Dao, arXiv 2307.08691), in base two.
"""

from __future__ import annotations

import triton
import triton.language as tl

LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def base_two_scale(scale, SOFT_CAP: tl.constexpr):  # type: ignore[no-untyped-def]
    """What `attend_to_tiles` multiplies its scores with inside the exponential.

    Capped scores are in base two already.
    """
    if SOFT_CAP > 0:
        return 1.0
    return scale * LOG2_E


@triton.jit
def _load_pages(  # type: ignore[no-untyped-def]
    block_table_ptr, tile, end_key, PAGE: tl.constexpr, BLOCK_N: tl.constexpr
):
    """The page of each key of a tile, or the one page of all of them; 0 from `end_key` on."""
    position = tile * BLOCK_N if PAGE >= BLOCK_N else tile * BLOCK_N + tl.arange(0, BLOCK_N)
    return tl.load(block_table_ptr + position // PAGE, mask=position < end_key, other=0)


@triton.jit
def attend_to_tiles(  # type: ignore[no-untyped-def]
    acc,
    row_sum,
    row_max,
    query,
    query_position,
    key_ptr,
    value_ptr,
    block_table_ptr,
    seq_len,
    first_tile,
    end_tile,
    scale,
    stride_block,
    stride_slot,
    HEAD_SIZE: tl.constexpr,
    PAGE: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    WINDOW: tl.constexpr,
    SOFT_CAP: tl.constexpr,
    PRECISION: tl.constexpr,
    STAGES: tl.constexpr,
    MASKED: tl.constexpr,
):
    """Take keys and values of tiles first_tile : end_tile into the running softmax.

    query: [M, BLOCK_D] in the type the products are computed in.
    acc: [M, BLOCK_D] float32; row_sum, row_max: [M] float32. `row_max` is in units of the scores,
        before `base_two_scale`.
    MASKED: whether some row may not see some key of these tiles.
    """
    keys = tl.arange(0, BLOCK_N)
    dims = tl.arange(0, BLOCK_D)
    # One of page and tile divides the other. What does not change from tile to tile is kept out of
    # the loop: what is left of the address is one product for each page.
    inside = keys if PAGE >= BLOCK_N else keys % PAGE
    offset = inside[:, None] * stride_slot + dims[None, :]
    factor = base_two_scale(scale, SOFT_CAP)
    end_key = tl.minimum(end_tile * BLOCK_N, seq_len)

    # Page numbers are read one tile ahead and carried in registers. Read where they are used, they
    # would make the compiler's pipeline one of two loads that wait for each other, and it would
    # keep a single tile of keys under way however many stages it is given.
    page = _load_pages(block_table_ptr, first_tile, end_key, PAGE, BLOCK_N)
    for tile in tl.range(first_tile, end_tile, num_stages=STAGES):
        next_page = _load_pages(block_table_ptr, tile + 1, end_key, PAGE, BLOCK_N)
        key_position = tile * BLOCK_N + keys
        key_mask = key_position < seq_len
        if PAGE >= BLOCK_N:
            start = tile * BLOCK_N % PAGE
            place = page.to(tl.int64) * stride_block + start * stride_slot + offset
        else:
            place = (page.to(tl.int64) * stride_block)[:, None] + offset
        page = next_page

        # Stale slots may hold anything, NaN included: a weight of zero does not silence them.
        if MASKED:
            tile_mask = key_mask[:, None] & (dims < HEAD_SIZE)[None, :]
            key = tl.load(key_ptr + place, mask=tile_mask, other=0.0)
        elif HEAD_SIZE < BLOCK_D:
            tile_mask = tl.broadcast_to((dims < HEAD_SIZE)[None, :], (BLOCK_N, BLOCK_D))
            key = tl.load(key_ptr + place, mask=tile_mask, other=0.0)
        else:
            key = tl.load(key_ptr + place)
        key = key.to(query.dtype)
        scores = tl.dot(query, tl.trans(key), input_precision=PRECISION)
        if SOFT_CAP > 0:
            # tanh(x) = 2 sigmoid(2x) - 1; Triton has no tanh of its own.
            capped = 2.0 * tl.sigmoid(scores * (2.0 / SOFT_CAP * scale)) - 1.0
            scores = capped * (SOFT_CAP * LOG2_E)
        if MASKED:
            visible = key_position[None, :] <= query_position[:, None]
            if WINDOW > 0:
                visible &= query_position[:, None] - key_position[None, :] < WINDOW
            scores = tl.where(visible, scores, float("-inf"))

        new_max = tl.maximum(row_max, tl.max(scores, 1))
        shift = new_max
        if MASKED:
            # A row that has seen no key yet would compute -inf minus -inf.
            shift = tl.where(new_max == float("-inf"), 0.0, new_max)
        # Scaled inside, the exponent is one fused multiply-add, and nothing is rounded before it.
        weights = tl.exp2(scores * factor - (shift * factor)[:, None])
        decay = tl.exp2((row_max - shift) * factor)
        row_sum = row_sum * decay + tl.sum(weights, 1)
        row_max = new_max
        acc = acc * decay[:, None]

        if MASKED or HEAD_SIZE < BLOCK_D:
            value = tl.load(value_ptr + place, mask=tile_mask, other=0.0)
        else:
            value = tl.load(value_ptr + place)
        value = value.to(query.dtype)
        acc = tl.dot(weights.to(query.dtype), value, acc, input_precision=PRECISION)
    return acc, row_sum, row_max
