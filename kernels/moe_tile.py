"""How the products of a mixture of experts are cut into tiles: arithmetic on shapes, no tensors."""

from __future__ import annotations

from rostra.kernels.chip import Chip
from rostra.kernels.launch import ceil_div
from rostra.kernels.matmul_tile import MatmulTile


def choose_expert_tile(
    num_pairs: int, num_experts: int, aligned: bool, itemsize: int, chip: Chip
) -> MatmulTile:
    """The tile for the pairs of one expert times rows of its weights, for both products.

    How many pairs an expert gets is not known on the host. With a fair share of at most 16 the
    weights of the experts touched are all that counts, and each is read once; with more, taller
    tiles. `aligned`: the depths of both products are multiples of 16; `itemsize` is of the
    activations. Takes one of a few forms, so that a serving process compiles few kernels. The sizes
    are the largest that no chip of `AHEAD_OF_TIME` spills registers with, whatever the type of the
    weights.
    """
    hip = chip.backend == "hip"
    # Rows that start anywhere are read element by element; a product of float32 takes three passes
    # and the registers of as many tiles.
    if not aligned or itemsize == 4:
        return MatmulTile(16, 32, 64, 4, 2)
    share = ceil_div(num_pairs, num_experts)
    if share <= 16:
        return MatmulTile(16, 64, 128, 4, 2 if hip else 4)
    if share <= 32:
        return MatmulTile(32, 64, 64, 4, 2 if hip else 4)
    if share <= 64:
        return MatmulTile(64, 128, 64, 4, 2 if hip else 3)
    return MatmulTile(128, 128, 64, 8, 2 if hip else 3)


def max_tiles(num_pairs: int, num_experts: int, block_m: int) -> int:
    """The most tiles of `block_m` pairs that `num_pairs` pairs of `num_experts` experts can fill.

    Each expert that has pairs leaves at most block_m - 1 places of its last tile free.
    """
    return (num_pairs + min(num_pairs, num_experts) * (block_m - 1)) // block_m
