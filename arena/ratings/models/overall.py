"""One strength for each contestant, whatever the category, the voter or the week."""

from __future__ import annotations

import pymc as pm

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.models import blocks, values
from rostra.arena.ratings.spec import ModelSpec


def build(board: Board, spec: ModelSpec) -> pm.Model:
    """Free variables: `strength`, `scale` and those of `spec`. See `blocks` for all of them."""
    with pm.Model(coords=blocks.coords(board, spec)) as model:
        found = blocks.containers(values.overall(board, spec))
        strength = blocks.strengths(spec)
        blocks.outcomes(spec, strength[found["left"]] - strength[found["right"]], found)
    return model
