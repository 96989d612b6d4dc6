"""A small base model, and adapters of it that PEFT made, with what PEFT computes with them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

VOCAB_SIZE = 199


def save_base(folder: Path, seed: int = 0, **shape: Any) -> PreTrainedModel:
    """Random weights, larger than those that training starts with, so that logits are far apart."""
    torch.manual_seed(seed)
    settings = {
        "vocab_size": VOCAB_SIZE,
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_hidden_layers": 2,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    model = LlamaForCausalLM(LlamaConfig(**(settings | shape))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(std=0.08)
    model.save_pretrained(folder)
    return model


@dataclass(frozen=True)
class AdapterCase:
    rank: int
    targets: list[str] | str
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path, base: PreTrainedModel) -> PreTrainedModel:
        """Writes the adapter; returns PEFT's merged model. `base` stays as it is."""
        torch.manual_seed(self.seed)
        config = LoraConfig(r=self.rank, target_modules=self.targets, **self.options)
        model = get_peft_model(copy.deepcopy(base), config)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_A" in name:
                    parameter.normal_(std=0.2)
                elif "lora_B" in name:
                    parameter.normal_(std=0.5 * parameter.shape[1] ** -0.5)
        model.save_pretrained(folder)
        return model.merge_and_unload().eval()


ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
ALL = [*ATTENTION, "gate_proj", "up_proj", "down_proj"]
CASES = {
    "rank 1": AdapterCase(1, ALL, options={"lora_alpha": 2}),
    "rank 8, fused in part": AdapterCase(8, ["q_proj", "v_proj", "up_proj"], seed=1),
    "rank 256": AdapterCase(256, ["o_proj", "gate_proj", "down_proj"], seed=2),
    "stabilised": AdapterCase(6, ALL, seed=3, options={"use_rslora": True, "lora_alpha": 3}),
    "pattern, ranks and alphas of their own": AdapterCase(
        4,
        r".*\.(1\.self_attn|0\.mlp)\.[a-z]+_proj",
        seed=4,
        options={
            "rank_pattern": {"q_proj": 16, "0.mlp.up_proj": 1},
            "alpha_pattern": {"down_proj": 40},
        },
    ),
    "one layer": AdapterCase(2, ALL, seed=5, options={"layers_to_transform": [1]}),
}
