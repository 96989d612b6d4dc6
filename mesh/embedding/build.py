"""From settings to what makes vectors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import torch

from rostra.mesh.embedding.decoder import SMALLER_STEP, DecoderTexts
from rostra.mesh.embedding.layout import Pooling, SentenceLayout
from rostra.mesh.embedding.runner import EmbeddingRunner
from rostra.mesh.engine.build import room_for_weights
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.device import choose_num_threads, open_device
from rostra.mesh.engine.memory import told_when_short
from rostra.mesh.engine.support import check_support
from rostra.mesh.errors import RostraError
from rostra.mesh.models import load_model
from rostra.mesh.models.config import Fields
from rostra.mesh.models.encoders import ENCODERS, load_encoder
from rostra.mesh.models.parameters import Progress

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
    build = _encoder if Fields.read(path).architecture() in ENCODERS else _decoder
    with room_for_weights(config, device, dtype):
        runner = build(config, layout, device, dtype, on_progress)
    if device.type != "cpu":
        with told_when_short("the largest step", _step_bytes(runner, config), device, SMALLER_STEP):
            runner.warm_up(config.max_num_batched_tokens, config.max_num_seqs)
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


def _encoder(
    config: EngineConfig,
    layout: SentenceLayout,
    device: torch.device,
    dtype: torch.dtype,
    progress: Progress | None,
) -> EmbeddingRunner:
    model = load_encoder(
        Path(config.model_path), device, dtype, progress, quantization=config.quantization
    )
    limit = model.max_length
    if (config.max_model_len or 0) > limit:
        raise RostraError(
            f"--max-model-len {config.max_model_len} is beyond the model's limit of {limit}"
        )
    return EmbeddingRunner(
        model,
        _pooling(config, layout, default="mean"),
        device,
        dtype,
        vocab_size=model.config.vocab_size,
        embedding_size=model.config.hidden_size,
        max_model_len=min(config.max_model_len or layout.max_seq_length or limit, limit),
    )


def _decoder(
    config: EngineConfig,
    layout: SentenceLayout,
    device: torch.device,
    dtype: torch.dtype,
    progress: Progress | None,
) -> EmbeddingRunner:
    model = load_model(
        Path(config.model_path),
        device,
        dtype,
        progress,
        max_model_len=config.max_model_len,
        quantization=config.quantization,
        headless=True,
    )
    limit = model.config.max_position_embeddings
    longest = config.max_model_len or min(layout.max_seq_length or limit, limit)
    texts = DecoderTexts(
        model,
        device,
        block_size=config.block_size,
        num_tokens=max(longest, config.max_num_batched_tokens),
        num_texts=config.max_num_seqs,
    )
    return EmbeddingRunner(
        texts,
        _pooling(config, layout, default="last"),
        device,
        dtype,
        vocab_size=model.config.vocab_size,
        embedding_size=model.config.hidden_size,
        max_model_len=longest,
    )


def _step_bytes(runner: EmbeddingRunner, config: EngineConfig) -> int:
    """The hidden states of one layer, which are the least of what it takes."""
    num_tokens = max(runner.max_model_len, config.max_num_batched_tokens)
    return num_tokens * runner.embedding_size * runner.dtype.itemsize


def _pooling(config: EngineConfig, layout: SentenceLayout, default: Pooling) -> Pooling:
    if config.pooling != "auto":
        return config.pooling
    return layout.pooling or default
