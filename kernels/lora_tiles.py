"""Which tokens a program of the adapters' kernels works on: arithmetic on the host.

The tokens of a step are sorted by adapter and cut into tiles of one adapter each. How many tiles
there may be follows from the sizes of a step alone, so a launch does not depend on who rides in it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

NO_ADAPTER = -1
FEW_ROWS = 16
"""The least that a tensor core multiplies."""
MANY_ROWS = 64
_FEW_TOKENS = 256

IntArray = npt.NDArray[np.int32]


def tile_rows(num_tokens: int) -> int:
    """Tokens in a tile, where a step has room for `num_tokens`."""
    return FEW_ROWS if num_tokens <= _FEW_TOKENS else MANY_ROWS


def most_tiles(num_tokens: int, num_slots: int) -> int:
    """Tiles of `num_tokens` tokens, however `num_slots` adapters share them.

    Each adapter leaves at most one tile unfilled.
    """
    rows = tile_rows(num_tokens)
    unfilled = min(num_slots, num_tokens) * (rows - 1)
    return min(num_tokens, (num_tokens + unfilled) // rows)


def lora_tiles(slots: IntArray, num_tokens: int, num_slots: int) -> tuple[IntArray, IntArray]:
    """(tokens [most_tiles, tile_rows], slots [most_tiles]), both int32.

    slots: int32 [T], of the adapter of each token; NO_ADAPTER for none. T is at most `num_tokens`,
    and the two sizes are those of the step. Row i of the first result holds the tokens of tile i,
    behind them -1; the second says whose tile it is, -1 for one that is not needed.
    """
    rows = tile_rows(num_tokens)
    tokens = np.full((most_tiles(num_tokens, num_slots), rows), -1, dtype=np.int32)
    owners = np.full(len(tokens), NO_ADAPTER, dtype=np.int32)
    order = np.argsort(slots, kind="stable").astype(np.int32)
    order = order[slots[order] != NO_ADAPTER]
    found, counts = np.unique(slots[order], return_counts=True)
    tiles_of = -(-counts // rows)
    first_tiles = tiles_of.cumsum() - tiles_of
    first_tokens = counts.cumsum() - counts
    within = np.arange(len(order)) - first_tokens.repeat(counts)
    tokens[first_tiles.repeat(counts) + within // rows, within % rows] = order
    owners[: int(tiles_of.sum())] = found.repeat(tiles_of)
    return tokens, owners
