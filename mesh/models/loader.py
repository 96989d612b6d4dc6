"""From a folder to a model that can compute."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from rostra.mesh.engine.config import Quantization
from rostra.mesh.errors import RostraError
from rostra.mesh.models.base import Model
from rostra.mesh.models.config import Fields, ModelConfig
from rostra.mesh.models.decoder import DecoderModel
from rostra.mesh.models.gemma import Gemma2ForCausalLM, Gemma3ForCausalLM
from rostra.mesh.models.granite import GraniteForCausalLM
from rostra.mesh.models.llama import LlamaForCausalLM
from rostra.mesh.models.mistral import MistralForCausalLM
from rostra.mesh.models.mixtral import MixtralForCausalLM
from rostra.mesh.models.olmo2 import Olmo2ForCausalLM
from rostra.mesh.models.parallel import ALONE, Parallel
from rostra.mesh.models.parameters import Progress, load_parameters
from rostra.mesh.models.phi3 import Phi3ForCausalLM
from rostra.mesh.models.qwen import Qwen2ForCausalLM, Qwen3ForCausalLM
from rostra.mesh.models.qwen3_moe import Qwen3MoeForCausalLM
from rostra.mesh.models.smollm3 import SmolLM3ForCausalLM
from rostra.mesh.models.stored import open_weights, prefixed
from rostra.mesh.ops import Ops, make_ops

FAMILIES: dict[str, type[DecoderModel]] = {
    "Gemma2ForCausalLM": Gemma2ForCausalLM,
    "Gemma3ForCausalLM": Gemma3ForCausalLM,
    "GraniteForCausalLM": GraniteForCausalLM,
    "LlamaForCausalLM": LlamaForCausalLM,
    "MistralForCausalLM": MistralForCausalLM,
    "MixtralForCausalLM": MixtralForCausalLM,
    "Olmo2ForCausalLM": Olmo2ForCausalLM,
    "Phi3ForCausalLM": Phi3ForCausalLM,
    "Qwen2ForCausalLM": Qwen2ForCausalLM,
    "Qwen3ForCausalLM": Qwen3ForCausalLM,
    "Qwen3MoeForCausalLM": Qwen3MoeForCausalLM,
    "SmolLM3ForCausalLM": SmolLM3ForCausalLM,
}
"""By the architecture named in config.json."""


def load_model(
    path: Path,
    device: torch.device,
    dtype: torch.dtype,
    progress: Progress | None = None,
    *,
    max_model_len: int | None = None,
    quantization: Quantization = "auto",
    ops: Ops | None = None,
    parallel: Parallel = ALONE,
    headless: bool = False,
) -> Model:
    """Reads a model folder: config.json and safetensors files.

    `max_model_len` bounds the positions that can be computed; default: max_position_embeddings.
    `quantization` is that of the linear maps' weights; `ops` takes the place of the device's own
    operations. Of a `parallel` group, this rank's share is read. `progress` is told of bytes read.
    A `headless` model is asked for hidden states only; its folder may be of the model without its
    head, and a family of Rostra's loads none.

    Raises RostraError for an architecture that is not supported, a `max_model_len` beyond the
    model's limit, and a checkpoint that is damaged or does not fit its config.
    """
    fields = Fields.read(path)
    if headless:
        fields = _with_head(fields)
    family = FAMILIES.get(fields.architecture())
    ops = ops or make_ops(device, dtype, quantization)
    if family is None:
        # The library takes seconds to import, and memory.
        from rostra.mesh.models.transformers_loader import load_transformers_model

        return load_transformers_model(
            path,
            fields,
            device,
            dtype,
            progress,
            own=FAMILIES,
            max_model_len=max_model_len,
            quantization=quantization,
            ops=ops,
            parallel=parallel,
        )
    config = ModelConfig.of(fields.or_else(family.defaults))
    model = family(config, ops, parallel)
    if headless:
        model.drop_head()
    limit = model.position_limit
    if max_model_len is not None and max_model_len > limit:
        raise RostraError(f"--max-model-len {max_model_len} is beyond the model's limit of {limit}")
    with open_weights(path) as weights:
        stored = model.stored(weights)
        load_parameters(
            model,
            prefixed(stored, "model.") if headless else stored,
            device,
            dtype,
            model.ignores,
            progress,
            model.finish_module,
            keeps=model.ops.keeps if quantization == "auto" else None,
        )
    model.finish_loading(device, max_model_len or config.max_position_embeddings)
    return model.eval()


def _with_head(fields: Fields) -> Fields:
    """Qwen3Model is Qwen3ForCausalLM without its head."""
    name = fields.architecture().removesuffix("Model") + "ForCausalLM"
    if name not in FAMILIES:
        return fields
    return replace(fields, raw={**fields.raw, "architectures": [name]})
