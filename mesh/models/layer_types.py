"""Which layers attend to all that is before a token, and which to a sliding window of it."""

from __future__ import annotations

from rostra.mesh.models.config import ModelConfig

FULL = "full_attention"
SLIDING = "sliding_attention"


def layer_type(config: ModelConfig, index: int, default: str = FULL) -> str:
    """FULL or SLIDING: that of layer `index` among `layer_types`; `default` where none are listed.

    Raises RostraError for any other.
    """
    listed = config.fields.each("layer_types", config.num_hidden_layers, str, "names")
    kind = default if listed is None else listed[index]
    if kind not in (FULL, SLIDING):
        raise config.fields.error(
            "layer_types", f"{kind!r} is not supported, only {FULL!r} and {SLIDING!r}"
        )
    return str(kind)


def sliding_window(config: ModelConfig, index: int, default: str = FULL) -> int | None:
    """Positions that a query of layer `index` sees, its own included; None: all.

    Raises RostraError where the layer asks for a window and there is none.
    """
    if layer_type(config, index, default) == FULL:
        return None
    fields = config.fields
    if not fields.flag("use_sliding_window", True):
        raise fields.error("use_sliding_window", f"false, but layer {index} is {SLIDING}")
    return fields.integer("sliding_window")
