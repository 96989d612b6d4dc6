"""Models of the votes, one structure to a file, each a PyMC model over a board.

`build(board, spec)` of a structure gives the model of the votes that bear on the order, with every
value of the board in a `pm.Data` container. What these hold for a board is in `values`, so that one
model takes the votes of another board with as many contestants and levels. "Both bad" as an outcome
of its own is the same beside every structure and is added here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from rostra.arena.ratings.board import Board
from rostra.arena.ratings.models import values
from rostra.arena.ratings.models.values import Array
from rostra.arena.ratings.spec import ModelSpec, Structure

if TYPE_CHECKING:
    import pymc as pm

BOTH_BAD_VARIABLES = ("bad", "bad_mean", "bad_scale")
OWN_VARIABLES: dict[Structure, tuple[str, ...]] = {
    "overall": (),
    "categories": ("level_strength", "level_scale"),
    "voters": ("voter_kind", "kind_share"),
    "drift": ("level_strength", "level_scale"),
    "judges": ("judge_strength", "judge_weight", "taste_scale"),
}
"""What a structure's posterior holds beyond what every posterior does."""


class StructureModule(Protocol):
    def build(self, board: Board, spec: ModelSpec) -> pm.Model: ...


def build(board: Board, spec: ModelSpec) -> pm.Model:
    """The model that `spec` names, of the votes of `board`.

    Raises RatingsError when the board lacks a factor or a covariate that `spec` names.
    """
    model = _module(spec).build(board, spec)
    if spec.both_bad == "own":
        from rostra.arena.ratings.models import both_bad

        with model:
            both_bad.add(board, spec)
    return model


def build_both_bad(board: Board, spec: ModelSpec) -> pm.Model:
    """The model of "both bad" alone."""
    from rostra.arena.ratings.models import both_bad

    return both_bad.build(board, spec)


def data(board: Board, spec: ModelSpec) -> dict[str, Array]:
    """Values of the data of `build`, by name: what `pm.set_data` or nutpie's `with_data` takes."""
    found = values.STRUCTURES[spec.structure](board, spec)
    if spec.both_bad == "own":
        found |= values.both_bad(board)
    return found


def variables(spec: ModelSpec) -> tuple[str, ...]:
    """Names, as in `rostra.arena.ratings.posterior.DIMS`, of what the posterior holds draws of."""
    present = {
        "strength": True,
        "scale": True,
        "side": spec.side,
        "tie": spec.ties != "bradley-terry",
        "style": bool(spec.style),
        "tie_style": bool(spec.tie_style),
        "judge_tie": spec.structure == "judges" and spec.ties != "bradley-terry",
        "judge_bias": bool(spec.judge_biases),
        "judge_scale": bool(spec.judge_biases),
    }
    names = [name for name, there in present.items() if there]
    if spec.both_bad == "own":
        names += BOTH_BAD_VARIABLES
    return (*names, *OWN_VARIABLES[spec.structure])


def _module(spec: ModelSpec) -> StructureModule:
    # Lazily: a caller of one structure does not pay for the imports of the others.
    module = import_module(f"{__name__}.{spec.structure}")
    return cast(StructureModule, module)
