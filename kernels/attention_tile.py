"""How paged attention is cut into tiles and segments: arithmetic on shapes, no tensors."""

from __future__ import annotations

from dataclasses import dataclass

from rostra.kernels.chip import KIB, Chip
from rostra.kernels.launch import ceil_div, next_power_of_2

MAX_SEGMENTS = 32
MIN_SEGMENT_TOKENS = 256
"""A segment shorter than this costs more to merge than it saves."""


@dataclass(frozen=True)
class AttentionTile:
    block_m: int
    """Rows: pairs of token and query head."""
    block_n: int
    """Keys read at once, whatever the page size."""
    num_warps: int
    num_stages: int


def choose_tile(
    max_query_len: int, group: int, head_size: int, itemsize: int, chip: Chip
) -> AttentionTile:
    """The tile for queries of up to `max_query_len` tokens, `group` heads to a key-value head.

    Takes one of three heights, so that a serving process compiles few kernels. The sizes are the
    largest that no chip of `AHEAD_OF_TIME` spills registers with.
    """
    row_bytes = max(16, next_power_of_2(head_size)) * itemsize
    # tl.dot needs 16 rows, and a tile holds the whole group.
    lowest = max(16, next_power_of_2(group))
    # A float32 product is three of tf32 and leaves no registers for a taller tile.
    if max_query_len * group <= lowest or itemsize == 4:
        block_m = lowest
    elif max_query_len * group < 128 or row_bytes > 256:
        block_m = max(lowest, 64)
    else:
        block_m = max(lowest, 128)
    large_shared_memory = chip.shared_memory > 200 * KIB
    widest = 64 if block_m == lowest or (block_m == 128 and large_shared_memory) else 32
    in_flight = 16 * KIB if chip.shared_memory > 64 * KIB else 8 * KIB
    block_n = min(widest, max(16, in_flight // row_bytes))
    num_stages = 2 if chip.backend == "hip" else _stages_that_fit(block_m, block_n, row_bytes, chip)
    # Registers hold block_m rows of output: at most 64 for each lane.
    num_warps = 8 if block_m * head_size > 64 * 128 else 4
    return AttentionTile(block_m, block_n, num_warps, num_stages)


def _stages_that_fit(block_m: int, block_n: int, row_bytes: int, chip: Chip) -> int:
    # Three quarters: the compiler also keeps scratch for converting layouts there.
    room = chip.shared_memory * 3 // 4 - block_m * row_bytes
    return max(1, min(3, room // (2 * block_n * row_bytes)))


def choose_segments(
    tile: AttentionTile, rows: int, programs: int, max_seq_len: int, chip: Chip
) -> int:
    """Into how many segments to split the keys of queries that take `rows` rows at most.

    More than one only where every query fits one tile (decoding, also with a few drafted tokens)
    and `programs` alone leave multiprocessors idle.
    """
    if rows > tile.block_m or programs >= chip.multiprocessors:
        return 1
    wanted = ceil_div(2 * chip.multiprocessors, max(1, programs))
    return max(1, min(wanted, max_seq_len // MIN_SEGMENT_TOKENS, MAX_SEGMENTS))
