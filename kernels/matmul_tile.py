"""How a product with quantised weights is cut into tiles: arithmetic on shapes, no tensors.

With up to 16 rows the weights are all that counts: H100 must have some 16 to 25 KiB of them on the
way to each multiprocessor at any time (3.35 TB/s times 0.65 to 1 microsecond, over 132), B200 some
45 KiB, MI300X some 17 KiB. The tile of a program holds 8 or 16 KiB, `num_stages` - 1 tiles are on
the way (one on AMD, which keeps them in registers), and each multiprocessor runs one to four
programs.
"""

from __future__ import annotations

from dataclasses import dataclass

from rostra.kernels.chip import KIB, Chip
from rostra.kernels.launch import ceil_div

MIN_SPLIT_DEPTH = 1024
"""A split of fewer products costs more to add up than it saves."""
MAX_SPLITS = 8


@dataclass(frozen=True)
class MatmulTile:
    block_m: int
    """Rows of the activations."""
    block_n: int
    """Output channels, rows of the weights."""
    block_k: int
    num_warps: int
    num_stages: int


def choose_matmul_tile(
    num_rows: int, num_columns: int, depth: int, itemsize: int, chip: Chip
) -> MatmulTile:
    """The tile for [num_rows, depth] times [num_columns, depth], activations of `itemsize` bytes.

    Takes one of a few forms, so that a serving process compiles few kernels. The sizes are the
    largest that no chip of `AHEAD_OF_TIME` spills registers with.
    """
    hip = chip.backend == "hip"
    # Rows of weights that start anywhere are read byte by byte, which takes registers to put
    # together; and a product of float32 takes three passes and the registers of as many tiles.
    if depth % 16 or itemsize == 4:
        return MatmulTile(16, 32, 128, 4, 2)
    if num_rows <= 16:
        block_n = 64 if ceil_div(num_columns, 64) >= chip.multiprocessors else 32
        if hip:
            return MatmulTile(16, block_n, 128, 4, 2)
        # A single program on each multiprocessor must have more tiles under way.
        deep = block_n == 32 and chip.shared_memory > 200 * KIB
        return MatmulTile(16, block_n, 256, 4, 6 if deep else 4)
    if num_rows <= 32:
        return MatmulTile(32, 64, 64 if hip else 128, 4, 2 if hip else 4)
    if num_rows <= 64:
        return MatmulTile(64, 128, 64, 4, 2 if hip else 3)
    return MatmulTile(128, 128, 64, 8, 2 if hip else 3)


def choose_splits(
    tile: MatmulTile, num_rows: int, num_columns: int, depth: int, chip: Chip
) -> tuple[int, int]:
    """Into how many parts to split the depth, and how many products each has.

    More than one only where whole columns would leave a quarter of the multiprocessors idle.
    """
    programs = ceil_div(max(1, num_rows), tile.block_m) * ceil_div(num_columns, tile.block_n)
    wanted = 1 if 4 * programs >= 3 * chip.multiprocessors else chip.multiprocessors // programs
    splits = max(1, min(wanted, depth // MIN_SPLIT_DEPTH, MAX_SPLITS))
    split_depth = ceil_div(ceil_div(depth, splits), tile.block_k) * tile.block_k
    return ceil_div(depth, split_depth), split_depth
