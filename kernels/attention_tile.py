"""How paged attention is cut into tiles and segments: arithmetic on shapes, no tensors."""

from __future__ import annotations

from dataclasses import dataclass

from rostra.kernels.chip import Chip
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

    Takes one of three heights, so that a serving process compiles three kernels and no more.
    """
    block_d = max(16, next_power_of_2(head_size))
    row_bytes = block_d * itemsize
    rows = max_query_len * group
    # tl.dot needs 16 rows, and a tile holds the whole group.
    block_m = max(16, next_power_of_2(group))
    if rows > block_m:
        wide = rows >= 128 and row_bytes <= 256
        block_m = max(block_m, 128 if wide else 64)
    # 16 KiB of keys in flight, 8 where all of shared memory is 64.
    in_flight = 16 * 1024 if chip.shared_memory > 64 * 1024 else 8 * 1024
    block_n = min(64, max(16, in_flight // row_bytes))
    num_stages = 2 if chip.backend == "hip" else _stages_that_fit(block_m, block_n, row_bytes, chip)
    return AttentionTile(block_m, block_n, 8 if block_m >= 128 else 4, num_stages)


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
