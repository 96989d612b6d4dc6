"""Causal models of transformers that have no family of their own here."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from rostra.mesh.engine.config import Quantization
from rostra.mesh.errors import RostraError
from rostra.mesh.models.config import Fields, ModelConfig
from rostra.mesh.models.parallel import Parallel
from rostra.mesh.models.parameters import Progress
from rostra.mesh.models.stored import open_weights
from rostra.mesh.models.transformers_attention import LayerPlan, UnservableError
from rostra.mesh.models.transformers_model import TransformersModel
from rostra.mesh.models.transformers_probe import (
    check,
    inspect,
    probe_caches,
    probe_tokens,
    reference,
)
from rostra.mesh.models.transformers_weights import load_library_model
from rostra.mesh.ops import Ops

log = logging.getLogger(__name__)

_KEYS_AND_VALUES = ("full_attention", "sliding_attention", "chunked_attention", "attention")


def load_transformers_model(
    path: Path,
    fields: Fields,
    device: torch.device,
    dtype: torch.dtype,
    progress: Progress | None,
    *,
    own: Iterable[str],
    max_model_len: int | None,
    quantization: Quantization,
    ops: Ops,
    parallel: Parallel,
) -> TransformersModel:
    """`own` are the architectures that Rostra has families for.

    Raises RostraError for an architecture that transformers does not have, and for a model that
    does not work over a paged cache, with the reason.
    """
    architecture = fields.architecture()
    if architecture not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():
        raise RostraError(
            f"{path}: architecture {architecture} is not supported; supported are {', '.join(own)}"
            ", and of the causal models of transformers "
            f"{transformers.__version__} those that attend through its attention interface"
        )
    if parallel.size > 1:
        raise RostraError(
            f"{path}: {architecture} is computed by transformers' own code, which is not divided "
            f"among tensor-parallel ranks here; those that are: {', '.join(own)}"
        )
    with _refused(path, architecture):
        kind: type[PreTrainedModel] = getattr(transformers, architecture)
        config = _read_config(path, fields)
        _check_kind(kind, config)
        limit = _limit(config, path, max_model_len)
        num_positions = max_model_len or limit
        _check_rotary(config, num_positions)
        with open_weights(path) as weights:
            model = load_library_model(kind, config, weights, device, dtype, ops, progress)
        served = _served(model, fields, ops, dtype, limit, num_positions, quantization)
    log.info(
        "%s is computed by the code of transformers %s, its attention by Rostra's over the paged "
        "cache; decode steps are not recorded",
        architecture,
        transformers.__version__,
    )
    return served


@contextmanager
def _refused(path: Path, architecture: str) -> Iterator[None]:
    """Whatever the library's code cannot do is said as a reason why the model cannot be served."""
    try:
        yield
        return
    except (RostraError, MemoryError, torch.OutOfMemoryError):
        raise
    except UnservableError as error:
        reason = str(error)
    except Exception as error:
        log.debug("%s", architecture, exc_info=True)
        text = " ".join(f"{type(error).__name__}: {error}".split())
        reason = f"transformers' own code fails over a paged cache ({text[:300]})"
    raise RostraError(f"{path}: architecture {architecture} cannot be served: {reason}")


def _read_config(path: Path, fields: Fields) -> PreTrainedConfig:
    architecture = fields.architecture()
    try:
        config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, TypeError) as error:
        raise RostraError(f"{path}: config.json: {' '.join(str(error).split())}") from None
    if MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type) != architecture:
        raise fields.error(
            "model_type", f"{config.model_type!r} does not belong to architecture {architecture}"
        )
    # Stored codes are read, and dequantised, before the library sees them.
    vars(config).pop("quantization_config", None)
    return config


def _check_kind(kind: type[PreTrainedModel], config: PreTrainedConfig) -> None:
    if config.is_encoder_decoder or getattr(type(config), "is_encoder_decoder", False):
        raise UnservableError("it is an encoder-decoder, or the half of one")
    if kind._is_stateful:
        raise UnservableError("it keeps recurrent or convolutional state beside keys and values")
    if _has_parts(config):
        inputs = kind.input_modalities
        if inputs == "text":
            raise UnservableError("it is made of several models")
        named = inputs if isinstance(inputs, str) else " and ".join(inputs)
        raise UnservableError(f"it takes {named} as input, and only text is served")
    for layer_type in getattr(config, "layer_types", None) or ():
        if layer_type not in _KEYS_AND_VALUES:
            raise UnservableError(f"it has layers of type {layer_type}")


def _has_parts(config: PreTrainedConfig) -> bool:
    """Whether it describes other models beside the decoder of text."""
    try:
        text = config.get_text_config()
    except ValueError:  # there are several
        return True
    return text is not config or any(
        "vision" in part or "audio" in part for part in config.sub_configs
    )


def _limit(config: PreTrainedConfig, path: Path, max_model_len: int | None) -> int:
    """Positions that the model knows."""
    limit = getattr(config, "max_position_embeddings", None)
    if not isinstance(limit, int) or limit < 1:
        limit = max_model_len
    if limit is None:
        raise RostraError(f"{path}: config.json names no longest context: give --max-model-len")
    if max_model_len is not None and max_model_len > limit:
        raise RostraError(f"--max-model-len {max_model_len} is beyond the model's limit of {limit}")
    return limit


def _check_rotary(config: PreTrainedConfig, num_positions: int) -> None:
    """Refuses frequencies that change with the longest sequence of a step: the others' would
    change with it, and cached keys would have been rotated by frequencies that no longer hold.

    Those of the type "dynamic" change beyond the model's own limit only, where nothing is served.
    """
    settings: Any = getattr(config, "rope_parameters", None) or {}
    by_layer_type = all(isinstance(value, dict) for value in settings.values())
    for rope in settings.values() if by_layer_type else [settings]:
        limit = rope.get("original_max_position_embeddings")
        if rope.get("rope_type") == "longrope" and num_positions > limit:
            raise UnservableError(
                f"its rotary embedding (longrope) depends on how long the longest sequence is "
                f"beyond {limit} tokens; --max-model-len {limit} keeps below that"
            )


@torch.inference_mode()
def _served(
    model: PreTrainedModel,
    fields: Fields,
    ops: Ops,
    dtype: torch.dtype,
    limit: int,
    num_positions: int,
    quantization: Quantization,
) -> TransformersModel:
    token_ids = probe_tokens(model.config.vocab_size, num_positions, model.device)
    plans = inspect(model, token_ids[0], num_positions)
    expected = reference(model, token_ids)
    config = _config(
        model.config, fields, plans, limit, expected[0][0].shape[1], expected[0][1].shape[1]
    )
    served = TransformersModel(model, config, ops, dtype, plans)
    caches = probe_caches(config, dtype, token_ids[0].device)
    exact = dtype == torch.float32 and quantization in ("none", "auto")
    check(served, token_ids, expected, caches, exact=exact)
    return served


def _config(
    config: PreTrainedConfig,
    fields: Fields,
    plans: dict[int, LayerPlan],
    limit: int,
    hidden_size: int,
    vocab_size: int,
) -> ModelConfig:
    """Of what the model was seen to be, since its config.json may use any names."""
    some = next(iter(plans.values()))
    return ModelConfig(
        architecture=fields.architecture(),
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=getattr(config, "intermediate_size", None) or 4 * hidden_size,
        num_hidden_layers=len(plans),
        num_attention_heads=some.num_heads,
        num_key_value_heads=some.num_kv_heads,
        head_dim=some.head_dim,
        max_position_embeddings=limit,
        tie_word_embeddings=bool(config.tie_word_embeddings),
        fields=fields,
    )
