"""What a run is told. `[train.sft]` and `[train.dpo]` of `rostra.toml` have these names."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Method = Literal["lora", "qlora", "full"]
DType = Literal["auto", "float32", "bfloat16"]
Form = Literal["auto", "messages", "sharegpt", "alpaca"]
Ties = Literal["drop", "soft"]
BothBad = Literal["drop", "tie"]
SeveralTurns = Literal["drop", "first"]

LEARNING_RATES = {("sft", "full"): 2e-5, ("sft", "lora"): 2e-4}
LEARNING_RATES |= {("dpo", "full"): 1e-6, ("dpo", "lora"): 5e-5}
"""Where none is given. An adapter starts at nothing and takes ten times the rate or more (Schulman
et al. 2025, LoRA Without Regret)."""


class RunSettings(BaseModel):
    """Of every recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = "smollm2-135m-instruct"
    """As `rostra worker` takes it: a built-in name, a hub id, a folder or a .gguf file."""
    out: Path
    """The run's folder; made."""
    method: Method = "lora"
    lora_rank: int = Field(default=16, ge=1, le=256)
    lora_alpha: float | None = Field(default=None, gt=0)
    """None: twice the rank."""
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    lora_targets: tuple[str, ...] = ("all-linear",)
    """Names of linear maps, or `all-linear`: every one but the output head."""
    epochs: float = Field(default=1.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    """Ends the run there, whatever `epochs` says."""
    batch_size: int = Field(default=8, ge=1)
    """Rows, or with packing blocks of `max_length` tokens, in one process at once."""
    accumulate: int = Field(default=1, ge=1)
    """Batches in one step of the optimizer."""
    learning_rate: float | None = Field(default=None, gt=0)
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    """Of the learning rate, after the warm-up."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps."""
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    max_length: int = Field(default=1024, ge=8)
    """Tokens of one row, prompt and answers together."""
    dtype: DType = "auto"
    """Of the base model; auto: bfloat16 on a graphics card, float32 without."""
    device: Literal["auto", "cpu"] = "auto"
    threads: int | None = Field(default=None, ge=1)
    """Of the processor; None: as torch chooses."""
    gradient_checkpointing: bool = False
    fsdp: bool = False
    """Weights, gradients and the optimizer's state in parts over all processes of `torchrun`."""
    seed: int = Field(default=1, ge=0)
    eval_share: float = Field(default=0.1, ge=0, lt=1)
    """Of the rows, kept for evaluation and not trained on."""
    eval_every: int | None = Field(default=None, ge=1)
    """Steps; None: after each epoch."""
    save_every: int | None = Field(default=None, ge=1)
    """Steps between checkpoints; None: after each epoch."""
    keep_checkpoints: int = Field(default=2, ge=2)
    """Two, so that one is whole whenever the run is killed."""
    log_every: int = Field(default=1, ge=1)
    """Steps."""

    @property
    def alpha(self) -> float:
        return 2.0 * self.lora_rank if self.lora_alpha is None else self.lora_alpha


class SftSettings(RunSettings):
    """Of supervised fine-tuning."""

    data: tuple[Path, ...] = Field(min_length=1)
    """Files of conversations: JSON, or JSON lines."""
    format: Form = "auto"
    """auto: of each row by its keys."""
    eval_data: tuple[Path, ...] = ()
    """Evaluated on, in place of a share of `data`; prompts in it are not trained on."""
    packing: bool = False
    """Several short conversations in one block of `max_length` tokens, none of which sees another.
    """
    deduplicate: bool = True

    @model_validator(mode="after")
    def _one_evaluation_set(self) -> Self:
        if self.eval_data and "eval_share" in self.model_fields_set and self.eval_share:
            raise ValueError("eval_data and eval_share both choose the evaluation set; give one")
        return self


class DpoSettings(RunSettings):
    """Of direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290) on votes."""

    votes: Path | None = None
    """A file of votes with their texts: an exported log, or another form `rostra votes import`
    takes. None: the vote store."""
    votes_url: str | None = None
    """SQLAlchemy URL of the store; None: that of the arena."""
    campaigns: tuple[str, ...] = ()
    """None: all."""
    categories: dict[str, tuple[str, ...]] = {}
    """Tag of a battle and its values that are taken, as `{ language = ["en"], code = ["no"] }`."""
    contestants: tuple[str, ...] = ()
    """Battles between two of these; none: all."""
    since: datetime | None = None
    until: datetime | None = None
    imported: bool = True
    """Whether votes are used that were not cast here."""
    min_reliability: float | None = Field(default=None, gt=0, lt=1)
    """Least probability that a vote's voter is attentive, by the voters model of the ratings."""
    ties: Ties = "drop"
    """soft: each tie both ways round, which is a label of one half."""
    both_bad: BothBad = "drop"
    several_turns: SeveralTurns = "drop"
    """first: a vote after several questions counts for the answers to the first."""
    beta: float = Field(default=0.1, gt=0)
    """How much it costs to leave the base model."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """Probability that a vote is the wrong way round (Mitchell 2023, conservative DPO)."""
    precompute_reference: bool | None = None
    """The base model's log-probabilities once and not in each epoch; None: in a single process."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.votes is not None and self.votes_url is not None:
            raise ValueError("votes and votes_url name two sources of votes; give one")
        for name, at in (("since", self.since), ("until", self.until)):
            if at is not None and at.tzinfo is None:
                raise ValueError(f"{name} has no time zone; write it as 2026-11-01T00:00:00Z")
        return self
