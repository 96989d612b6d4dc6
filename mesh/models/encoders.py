"""From a folder to an encoder that can compute."""

from __future__ import annotations

from pathlib import Path

import torch

from rostra.mesh.engine.config import Quantization
from rostra.mesh.errors import RostraError
from rostra.mesh.models.bert import BertModel, DistilBertModel, RobertaModel
from rostra.mesh.models.config import Fields
from rostra.mesh.models.parameters import Progress, load_parameters
from rostra.mesh.models.stored import open_weights
from rostra.mesh.ops import Ops, make_ops

ENCODERS: dict[str, type[BertModel]] = {
    "BertModel": BertModel,
    "BertForMaskedLM": BertModel,
    "RobertaModel": RobertaModel,
    "RobertaForMaskedLM": RobertaModel,
    "XLMRobertaModel": RobertaModel,
    "XLMRobertaForMaskedLM": RobertaModel,
    "CamembertModel": RobertaModel,
    "DistilBertModel": DistilBertModel,
    "DistilBertForMaskedLM": DistilBertModel,
}
"""By the architecture named in config.json."""


def load_encoder(
    path: Path,
    device: torch.device,
    dtype: torch.dtype,
    progress: Progress | None = None,
    *,
    quantization: Quantization = "auto",
    ops: Ops | None = None,
) -> BertModel:
    """Reads a model folder, as `load_model` does for decoders.

    Raises RostraError for an architecture that is not supported, and a checkpoint that is damaged
    or does not fit its config.
    """
    fields = Fields.read(path)
    architecture = fields.architecture()
    family = ENCODERS.get(architecture)
    if family is None:
        raise RostraError(
            f"{path}: architecture {architecture} is no supported encoder; supported: "
            + ", ".join(ENCODERS)
        )
    ops = ops or make_ops(device, dtype, quantization)
    with open_weights(path) as weights:
        prefixed = any(name.startswith(family.base_name) for name in weights.names)
        model = family(fields, family.base_name if prefixed else "", ops)
        load_parameters(
            model,
            weights,
            device,
            dtype,
            model.ignores,
            progress,
            model.finish_module,
            keeps=ops.keeps if quantization == "auto" else None,
        )
    model.finish_loading()
    return model.eval()
