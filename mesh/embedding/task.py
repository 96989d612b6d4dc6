"""Whether a model generates text or turns texts into vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rostra.mesh.embedding.layout import MODULES_FILE
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.errors import RostraError
from rostra.mesh.models.config import Fields
from rostra.mesh.models.encoders import ENCODERS

_GENERATION_ONLY = {
    "num_blocks": "--num-blocks",
    "kv_cache_bytes": "--kv-cache-bytes",
    "kv_cache_dtype": "--kv-cache-dtype",
    "speculation": "--speculation",
    "tensor_parallel_size": "--tp",
    "max_adapters": "--max-adapters",
}


def choose_task(config: EngineConfig) -> Literal["generate", "embed"]:
    """What `config.task` comes to for the model in `config.model_path`: encoders and folders in the
    layout of sentence-transformers embed, unless asked otherwise.

    Raises RostraError for a task that the model cannot do, and for settings of the other task.
    """
    folder = Path(config.model_path)
    architecture = Fields.read(folder).architecture()
    task = config.task
    if task == "auto":
        embeds = architecture in ENCODERS or (folder / MODULES_FILE).is_file()
        task = "embed" if embeds else "generate"
    if task == "generate":
        if architecture in ENCODERS:
            raise RostraError(
                f"{folder}: {architecture} is an encoder, which generates no text: leave out --task"
            )
        if config.pooling != "auto":
            raise RostraError(f"--pooling {config.pooling} is for embedding: add --task embed")
        return task
    defaults = EngineConfig(model_path=config.model_path)
    for name, flag in _GENERATION_ONLY.items():
        if getattr(config, name) != getattr(defaults, name):
            raise RostraError(f"{flag} is for generation: an embedding model does without")
    return task
