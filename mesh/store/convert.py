"""A GGUF file into a model folder."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from rostra.mesh.store.gguf_config import hub_config
from rostra.mesh.store.gguf_file import GgufModel
from rostra.mesh.store.gguf_names import architecture_of
from rostra.mesh.store.gguf_tokenizer import write_tokenizer
from rostra.mesh.store.gguf_weights import total_bytes, write_weights
from rostra.mesh.store.progress import Progress

log = logging.getLogger(__name__)

_PLAIN = ("F32", "F16", "BF16")


def convert_gguf(file: Path, folder: Path, progress: Progress) -> str:
    """Writes config.json, safetensors in 16 bits and the tokenizer's files into `folder`.

    Returns how the file was quantised, such as `Q4_1`. Raises RostraError for an architecture that
    is not supported, for what the file does not say, and for a broken file.
    """
    model = GgufModel(file)
    config = hub_config(model, architecture_of(model))
    with progress.task(f"Converting {file.name}", total_bytes(model)) as task:
        write_tokenizer(model, folder)
        write_weights(model, folder, task)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    if model.quantization not in _PLAIN:
        log.info(
            "%s: weights of type %s are dequantised to 16 bits; --quantization quantises them "
            "again while they load",
            file.name,
            model.quantization,
        )
    return model.quantization
