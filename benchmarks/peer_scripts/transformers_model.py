"""A model of transformers, from a folder with or without weights."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM


def load(settings: dict[str, Any]) -> Any:
    """Random weights where the settings say so: the folder then holds only config.json."""
    if settings.get("threads"):
        torch.set_num_threads(settings["threads"])
    torch.manual_seed(0)
    dtype, device = getattr(torch, settings["dtype"]), settings["device"]
    if settings["random"]:
        config = AutoConfig.from_pretrained(settings["model"])
        with torch.device(device):
            return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    model = AutoModelForCausalLM.from_pretrained(settings["model"], dtype=dtype)
    return model.to(device).eval()


def versions() -> dict[str, str]:
    return {"transformers": transformers.__version__, "torch": torch.__version__}
