"""The base model as the libraries' trainers take it: weights, tokenizer, adapter."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rostra.training import together
from rostra.training.errors import TrainingError
from rostra.training.settings import RunSettings


@dataclass(frozen=True)
class BaseModel:
    """Where the model lies, and what the card says of it."""

    name: str
    path: Path
    revision: str = ""
    source: str = ""
    """Where the files came from, in words."""
    licence: str | None = None


def check_method(settings: RunSettings) -> None:
    """Raises TrainingError where this machine cannot train so."""
    if settings.fsdp and together.number_of_processes() == 1:
        raise TrainingError(
            "fsdp shards over the processes of torchrun, and this run is a single one: start it "
            "with torchrun, or leave fsdp out"
        )
    if settings.method != "qlora":
        return
    if importlib.util.find_spec("bitsandbytes") is None:
        raise TrainingError(
            "method qlora needs bitsandbytes, not installed here: pip install 'rostra[train]' "
            "where there are wheels of it, or use lora"
        )
    if settings.fsdp:
        raise TrainingError("method qlora does not go with fsdp here; use lora")


def load_tokenizer(base: BaseModel) -> Any:
    from transformers import AutoTokenizer

    return _loaded(base, lambda: AutoTokenizer.from_pretrained(base.path))


def load_model(base: BaseModel, settings: RunSettings) -> Any:
    """Raises TrainingError where transformers cannot load it."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    dtype = getattr(torch, dtype_name(settings))
    extra: dict[str, Any] = {}
    if settings.method == "qlora":
        extra["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
        extra["device_map"] = {"": "cpu" if on_cpu(settings) else torch.cuda.current_device()}
    model = _loaded(
        base, lambda: AutoModelForCausalLM.from_pretrained(base.path, dtype=dtype, **extra)
    )
    if settings.method == "qlora":
        from peft import prepare_model_for_kbit_training

        model = prepare_model_for_kbit_training(
            model, use_gradient_checkpointing=settings.gradient_checkpointing
        )
    # What was trained is saved under the model's name, not under a path of this host.
    model.config.name_or_path = str(base.path)
    return model


def on_cpu(settings: RunSettings) -> bool:
    import torch

    return settings.device == "cpu" or not torch.cuda.is_available()


def dtype_name(settings: RunSettings) -> str:
    if settings.dtype != "auto":
        return settings.dtype
    return "float32" if on_cpu(settings) else "bfloat16"


def lora(settings: RunSettings) -> Any:
    """PEFT's configuration of the adapter; None for full fine-tuning."""
    from peft import LoraConfig

    if settings.method == "full":
        return None
    targets = settings.lora_targets
    return LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type] # scales; PEFT divides it by the rank
        lora_dropout=settings.lora_dropout,
        target_modules="all-linear" if targets == ("all-linear",) else list(targets),
        task_type="CAUSAL_LM",
    )


def _loaded(base: BaseModel, load: Any) -> Any:
    try:
        return load()
    except (OSError, ValueError, ImportError, KeyError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise TrainingError(f"cannot load {base.name} to train it: {first}") from error
