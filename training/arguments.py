"""The settings of a run as the arguments of transformers' trainer."""

from __future__ import annotations

from typing import Any

from rostra.training.base import dtype_name, on_cpu
from rostra.training.run_folder import RunFolder
from rostra.training.settings import LEARNING_RATES, RunSettings
from rostra.training.together import number_of_processes


def learning_rate(settings: RunSettings, recipe: str) -> float:
    method = "full" if settings.method == "full" else "lora"
    return settings.learning_rate or LEARNING_RATES[recipe, method]


def trainer_arguments(
    settings: RunSettings, recipe: str, folder: RunFolder, *, evaluates: bool, resumes: bool
) -> dict[str, Any]:
    """Those that SFTConfig and DPOConfig share."""
    cpu = on_cpu(settings)
    steps = settings.save_every
    return {
        "output_dir": str(folder.checkpoints),
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "per_device_train_batch_size": settings.batch_size,
        "per_device_eval_batch_size": settings.batch_size,
        "gradient_accumulation_steps": settings.accumulate,
        "learning_rate": learning_rate(settings, recipe),
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": settings.warmup,  # below 1 it is a share
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "use_cpu": cpu,
        # Autocast over weights that are in bfloat16 already keeps the adapter's own in float32.
        "bf16": dtype_name(settings) == "bfloat16",
        "gradient_checkpointing": settings.gradient_checkpointing,
        "max_length": settings.max_length,
        "logging_steps": settings.log_every,
        "save_strategy": "epoch" if steps is None else "steps",
        "save_steps": steps or 500,
        "save_total_limit": settings.keep_checkpoints,
        "eval_strategy": _eval_strategy(settings) if evaluates else "no",
        "eval_steps": settings.eval_every,
        # What the base does on the same rows, to compare with.
        "eval_on_start": evaluates and not resumes,
        "dataloader_pin_memory": not cpu,
        "report_to": "none",
        "disable_tqdm": True,
        **({"ddp_backend": "gloo"} if cpu and number_of_processes() > 1 else {}),
        **({"fsdp": True, "fsdp_config": {"version": 2}} if settings.fsdp else {}),
    }


def _eval_strategy(settings: RunSettings) -> str:
    return "epoch" if settings.eval_every is None else "steps"
