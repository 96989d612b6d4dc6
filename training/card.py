"""The model card: what was trained, on what, and how it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData

from rostra.training import together
from rostra.training.arguments import learning_rate
from rostra.training.base import BaseModel, dtype_name
from rostra.training.metrics import first, last
from rostra.training.rows import Prepared
from rostra.training.settings import RunSettings

TITLES = {
    "sft": "Supervised fine-tuning on conversations",
    "dpo": "Direct preference optimisation on people's votes",
}
PACKAGES = ("rostra", "torch", "transformers", "trl", "peft", "accelerate", "datasets")
_NOT_HOW = {
    *("model", "out", "data", "eval_data", "votes", "votes_url", "learning_rate", "dtype"),
    *("threads", "keep_checkpoints", "save_every", "eval_every", "log_every", "lora_alpha"),
    *("campaigns", "categories", "contestants", "since", "until", "imported"),
    *("min_reliability", "ties", "both_bad", "several_turns", "format"),
}
"""Settings that stand elsewhere in the card, or change nothing about the result."""
EVALUATED = ("eval_loss", "eval_rewards/accuracies", "eval_rewards/margins")


def write_card(
    folder: Path,
    recipe: str,
    settings: RunSettings,
    base: BaseModel,
    prepared: Prepared,
    metrics: Sequence[dict[str, Any]],
) -> None:
    """Writes `README.md` in `folder`, with the metadata that model hubs read."""
    data = ModelCardData(
        base_model=base.name,
        license=base.licence,
        library_name="transformers" if settings.method == "full" else "peft",
        pipeline_tag="text-generation",
        tags=["rostra", "trl", recipe, settings.method],
    )
    sections = [
        f"---\n{data.to_yaml()}\n---",
        f"# {folder.parent.name}",
        f"{TITLES[recipe]}, from {base.name} (revision {base.revision or 'unknown'}"
        f"{f', {base.source}' if base.source else ''}).",
        _licence(base),
        "## Data\n\n" + _list(_provenance(prepared)),
        "### Left out\n\n" + (_list(prepared.report.reasons) or "Nothing."),
        *(["### Mended\n\n" + _list(prepared.report.mended)] if prepared.report.mended else []),
        "## Training\n\n" + _list(_how(recipe, settings)),
        "## Result\n\n" + _result(metrics),
        "## Versions\n\n" + _list(_versions()),
    ]
    (folder / "README.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def _licence(base: BaseModel) -> str:
    if base.licence is None:
        return "The base model's files name no licence: find out its terms before passing this on."
    return f"Licence of the base model: {base.licence}. Its terms hold for what is made from it."


def _provenance(prepared: Prepared) -> dict[str, Any]:
    names = {"log_seq": "entries of the log", "log_head": "head of the log (SHA-256)"}
    found = {names.get(name, name): value for name, value in prepared.provenance.items()}
    return {
        **{name: value for name, value in found.items() if value not in (None, [], {})},
        "rows read": prepared.report.rows,
        "rows trained on": len(prepared.train),
        "rows held out for evaluation": len(prepared.evaluate),
        **{name: count for name, count in prepared.counts.items() if count},
        "digest of the rows (SHA-256)": prepared.sha256,
    }


def _how(recipe: str, settings: RunSettings) -> dict[str, Any]:
    told = settings.model_dump(mode="json", exclude=_NOT_HOW, exclude_none=True)
    if settings.method == "full":
        told = {name: value for name, value in told.items() if not name.startswith("lora_")}
    else:
        told["lora_alpha"] = settings.alpha
    return {
        **told,
        "learning_rate": learning_rate(settings, recipe),
        "dtype": dtype_name(settings),
        "processes": together.number_of_processes(),
    }


def _result(metrics: Sequence[dict[str, Any]]) -> str:
    found = list(metrics)
    rows = [
        f"| {name.removeprefix('eval_').replace('rewards/', 'reward ')} "
        # Rewards are told against the base, whose own are nothing.
        f"| {'-' if 'rewards/' in name else f'{before:.4f}'} | {last(found, name):.4f} |"
        for name in EVALUATED
        if (before := first(found, name)) is not None
    ]
    if not rows:
        loss = last(found, "loss")
        told = "" if loss is None else f" The last loss of training is {loss:.4f}."
        return f"Nothing was held out for evaluation.{told}"
    head = "| on what was held out | base | trained |\n| --- | --- | --- |"
    return "\n".join([head, *rows])


def _versions() -> dict[str, str]:
    found = {"date": datetime.now(UTC).date().isoformat()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _list(values: Mapping[str, Any]) -> str:
    return "\n".join(f"* {name}: {_shown(value)}" for name, value in values.items())


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name} = {_shown(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
