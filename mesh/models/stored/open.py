"""From a model folder to its weights, by what config.json says of how they are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rostra.mesh.models.checkpoint import Checkpoint
from rostra.mesh.models.config import Fields
from rostra.mesh.models.stored.awq import open_awq
from rostra.mesh.models.stored.base import StoredWeights
from rostra.mesh.models.stored.compressed_config import open_compressed, open_fp8
from rostra.mesh.models.stored.gptq import open_gptq

_Opener = Callable[[Checkpoint, Mapping[str, Any], str], StoredWeights]

METHODS: dict[str, _Opener] = {
    "awq": open_awq,
    "gptq": open_gptq,
    "compressed-tensors": open_compressed,
    "fp8": open_fp8,
}
"""By `quant_method`."""


@contextmanager
def open_weights(folder: Path) -> Iterator[StoredWeights]:
    """The weights of a model folder, for as long as the context lasts.

    Raises RostraError where the files are damaged, or quantised in a way that is not supported.
    """
    fields = Fields.read(folder)
    settings = fields.raw.get("quantization_config") or fields.raw.get("compression_config")
    with Checkpoint(folder) as checkpoint:
        if not settings:
            yield checkpoint
            return
        name = "quantization_config"
        if not isinstance(settings, dict):
            raise fields.error(name, f"expected an object, found {settings!r}")
        method = settings.get("quant_method", "compressed-tensors")
        if method not in METHODS:
            raise fields.error(
                name,
                f"quant_method {method!r} is not supported, only {', '.join(METHODS)}; "
                "use the model's unquantised weights",
            )
        yield METHODS[method](checkpoint, settings, f"{fields.path}: {name}")
