"""From settings to an engine that makes vectors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import torch

from rostra.mesh.embedding.layout import Pooling, SentenceLayout
from rostra.mesh.embedding.runner import EmbeddingRunner
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.device import choose_num_threads, open_device
from rostra.mesh.engine.support import check_support
from rostra.mesh.errors import RostraError
from rostra.mesh.models.encoders import load_encoder

log = logging.getLogger(__name__)


def build_embedding_runner(
    config: EngineConfig, on_progress: Callable[[int, int], None] | None = None
) -> EmbeddingRunner:
    """Loads the model. `on_progress` as in `build_engine`.

    Raises RostraError for what the user can mend, as `build_engine` does.
    """
    path = Path(config.model_path)
    device = open_device(config.device)
    dtype = check_support(config, device)
    if device.type == "cpu":
        torch.set_num_threads(choose_num_threads(config.num_threads))
    layout = SentenceLayout.read(path)
    model = load_encoder(path, device, dtype, on_progress, quantization=config.quantization)
    runner = EmbeddingRunner(
        model,
        _choose_pooling(config, layout, default="mean"),
        device,
        dtype,
        vocab_size=model.config.vocab_size,
        embedding_size=model.config.hidden_size,
        max_model_len=_choose_length(config, layout, model.max_length),
    )
    log.info(
        "device %s (%s), dtype %s, quantization %s, pooling %s, texts of up to %d tokens",
        device,
        runner.device_name,
        str(dtype).removeprefix("torch."),
        config.quantization,
        runner.pooling,
        runner.max_model_len,
    )
    return runner


def _choose_pooling(config: EngineConfig, layout: SentenceLayout, default: Pooling) -> Pooling:
    if config.pooling != "auto":
        return config.pooling
    return layout.pooling or default


def _choose_length(config: EngineConfig, layout: SentenceLayout, limit: int) -> int:
    """What was asked for, else what the folder says, within what the model can do."""
    if config.max_model_len is None:
        return min(layout.max_seq_length or limit, limit)
    if config.max_model_len > limit:
        raise RostraError(
            f"--max-model-len {config.max_model_len} is beyond the model's limit of {limit}"
        )
    return config.max_model_len
