"""How paged attention is cut into tiles and segments: arithmetic on shapes, no tensors.

Decoding is bound by memory. An H100 moves 3.35 TB/s with some 700 ns from request to arrival, so
that 3.35e12 * 700e-9 = 2.3 MB must be under way at any time, 18 KiB for each of its 132
multiprocessors (Little's law). A program of a short tile keeps two tiles of keys and of values
under way, 4 * 16 KiB, and two or three programs fit a multiprocessor: six times the least, so that
the bandwidth stays full while some programs compute and when fewer are left than fit.

Its arithmetic is far below that floor even with one query head to a key-value head, when 15 of the
16 rows of a product are wasted. A tile of 64 keys of 128 bfloat16 is 32 KiB with its values, which
is 2200 cycles of a multiprocessor's share of the bandwidth; its products are 0.5 million operations
(180 cycles of `mma.sync`), its 1024 exponentials 64 cycles, its passes through shared memory 512.

Prefill is bound by arithmetic: 4 * 128 * 64 * 128 operations for a tall tile and 64 keys, which is
1000 cycles of the tensor cores, against 128 * 64 exponentials, which are 512 of the function units.
"""

from __future__ import annotations

from dataclasses import dataclass

from rostra.kernels.chip import KIB, Chip
from rostra.kernels.launch import ceil_div, next_power_of_2

MIN_SEGMENT_TOKENS = 128
"""A segment shorter than this costs more to merge than it saves."""


@dataclass(frozen=True)
class AttentionTile:
    block_m: int
    """Rows: pairs of token and query head."""
    block_n: int
    """Keys read at once, whatever the page size."""
    num_stages: int


@dataclass(frozen=True)
class AttentionTiles:
    """What one launch is made of."""

    short: AttentionTile
    """For a sequence whose queries all fit its rows; its keys may be split."""
    tall: AttentionTile | None
    """For the others; None where the host knows that there are none."""
    num_warps: int
    max_registers: int | None
    """Of a lane, where one more would halve the programs of a multiprocessor."""
    resident: int
    """Programs that fit a multiprocessor at once."""


def choose_tiles(
    max_query_len: int, group: int, head_size: int, itemsize: int, cache_itemsize: int, chip: Chip
) -> AttentionTiles:
    """The tiles for queries of up to `max_query_len` tokens, `group` heads to a key-value head.

    One of three sets, so that a serving process compiles few kernels: for decoding, for a few
    drafted tokens or a short prompt, and for long prompts with whatever decodes beside them. The
    sizes are the largest that no chip of `AHEAD_OF_TIME` spills registers with.
    """
    rows = max_query_len * group
    width = max(16, next_power_of_2(head_size))
    query_bytes, row_bytes = width * itemsize, width * cache_itemsize
    # tl.dot needs 16 rows, and a tile holds the whole group.
    lowest = max(16, next_power_of_2(group))
    # A float32 product is three of tf32 and leaves no registers for a taller tile; nor does
    # converting wide keys.
    crowded = itemsize == 4 or (width > 128 and cache_itemsize == 1)
    medium = lowest if crowded else max(lowest, 64)
    short_m = lowest if rows <= lowest or rows > medium else medium
    short_n = _keys(short_m, width, row_bytes, chip)
    short_stages = _stages(short_m, short_n, query_bytes, row_bytes, chip)
    short = AttentionTile(short_m, short_n, short_stages)
    if rows <= short_m:
        num_warps = 8 if short_m * width > 64 * 128 else 4
        under_way = 2 * (short_stages - 1) * short_n * row_bytes
        fitting = chip.shared_memory // max(1, under_way)
        # Converting single bytes takes registers.
        resident = max(1, min(fitting, 3 if cache_itemsize > 1 else 2))
        return AttentionTiles(short, None, num_warps, None, resident)

    tall_m, tall_n = _tall(lowest, width, itemsize, cache_itemsize, chip)
    tall_stages = min(
        2 if tall_n == 128 else 3, _stages(tall_m, tall_n, query_bytes, row_bytes, chip)
    )
    tall = AttentionTile(tall_m, tall_n, tall_stages)
    num_warps = 8 if tall_m * width > 64 * 64 else 4
    # Two programs of 256 lanes: the exponentials of one run under the products of the other.
    paired = _is_hopper(chip) and tall_m == 128 and width <= 64 and cache_itemsize > 1
    return AttentionTiles(short, tall, num_warps, 128 if paired else None, 2 if paired else 1)


def _is_hopper(chip: Chip) -> bool:
    return chip.backend == "cuda" and chip.arch == 90


def _keys(block_m: int, width: int, row_bytes: int, chip: Chip) -> int:
    """Keys of a short tile: 16 KiB of them, 8 KiB where little is shared."""
    room = 16 * KIB if chip.shared_memory > 64 * KIB else 8 * KIB
    # What registers hold of them on the way to the tensor cores, beside the rows of the output;
    # Hopper's read them from shared memory.
    if block_m == 16:
        elements = 16 * 1024 if width <= 128 else 8 * 1024
    elif _is_hopper(chip) or (chip.shared_memory > 200 * KIB and row_bytes > width):
        elements = 8 * 1024
    else:
        elements = 4 * 1024
    widest = 128 if block_m == 16 else 64
    return max(16, min(widest, room // row_bytes, elements // width))


def _tall(
    lowest: int, width: int, itemsize: int, cache_itemsize: int, chip: Chip
) -> tuple[int, int]:
    """Rows and keys of a tall tile."""
    if itemsize == 4:
        return lowest, _keys(lowest, width, width * cache_itemsize, chip)
    if width > 128 and cache_itemsize == 1:
        return (lowest if chip.backend == "hip" else max(lowest, 32)), 32
    if chip.shared_memory <= 200 * KIB:
        return (max(lowest, 128), 32) if width <= 128 else (max(lowest, 64), 32)
    if width <= 128:
        wide = width == 128 and cache_itemsize > 1 and _is_hopper(chip)
        return max(lowest, 128), 128 if wide else 64
    return max(lowest, 128 if _is_hopper(chip) else 64), 32


def _stages(block_m: int, block_n: int, query_bytes: int, row_bytes: int, chip: Chip) -> int:
    if chip.backend == "hip":
        return 2
    # Three quarters: the compiler also keeps scratch for converting layouts there.
    room = chip.shared_memory * 3 // 4 - block_m * query_bytes
    return max(1, min(3, 1 + room // (2 * block_n * row_bytes)))


def choose_capacity(tiles: AttentionTiles, num_kv_heads: int, chip: Chip) -> int:
    """How many segments of keys to aim for in a batch, to each key-value head.

    As many as the chip holds at once: one full wave.
    """
    return ceil_div(tiles.resident * chip.multiprocessors, num_kv_heads)
