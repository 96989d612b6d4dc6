"""What the recipes have in common: begin or resume, train, save, tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rostra.training import metrics, together
from rostra.training.base import BaseModel, check_method, on_cpu
from rostra.training.card import write_card
from rostra.training.errors import TrainingError
from rostra.training.plots import write_plots
from rostra.training.rows import Prepared, batch_note
from rostra.training.run_folder import RunFolder
from rostra.training.settings import RunSettings

Say = Callable[[str], None]
MakeTrainer = Callable[[Prepared, metrics.Recorder, bool], Any]
MOST_SHOWN = 10
"""Rows left out that are told one by one; the file has all."""


@dataclass(frozen=True)
class Trained:
    """A run that ended."""

    path: Path
    """Of the adapter's folder, or the model's after full fine-tuning."""
    is_adapter: bool
    metrics: list[dict[str, Any]]
    prepared: Prepared


def run(
    recipe: str,
    settings: RunSettings,
    base: BaseModel,
    prepare: Callable[[Mapping[str, Any] | None], Prepared],
    make: MakeTrainer,
    say: Say,
    *,
    resume: bool,
) -> Trained:
    """`prepare` reads the rows, given the record of a run that is resumed. Raises TrainingError."""
    _quiet(settings)
    together.start(cpu=on_cpu(settings))
    check_method(settings)
    folder = RunFolder(settings.out)
    told = settings.model_dump(mode="json")
    prepared = together.once(lambda: _begin(recipe, settings, told, folder, prepare, resume))
    first = together.is_first()
    say_first: Say = say if first else lambda _: None
    _tell(prepared, settings, folder, say_first)
    checkpoint = folder.newest_checkpoint() if resume else None
    if resume:
        at = "its first step: it has no checkpoint yet" if checkpoint is None else checkpoint.name
        say_first(f"Resuming from {at}.")
    try:
        trainer = make(
            prepared, metrics.Recorder(folder.metrics, say_first), checkpoint is not None
        )
    except ValueError as error:
        if "Target modules" not in str(error):
            raise
        raise TrainingError(f"lora_targets: {error}") from error
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    path = folder.path / ("model" if settings.method == "full" else "adapter")
    _save(trainer, path, base, settings)
    found = metrics.read(folder.metrics)
    if first:
        write_plots(found, folder.path / "metrics.html")
        write_card(path, recipe, settings, base, prepared, found)
    return Trained(path, settings.method != "full", found, prepared)


def _begin(
    recipe: str,
    settings: RunSettings,
    told: dict[str, Any],
    folder: RunFolder,
    prepare: Callable[[Mapping[str, Any] | None], Prepared],
    resume: bool,
) -> Prepared:
    folder.make()
    if resume:
        record = folder.recorded()
        if record.get("recipe") != recipe:
            raise TrainingError(f"{folder.path} has a run of {record.get('recipe')}, not {recipe}")
        folder.check_settings(told)
        prepared = prepare(record)
        folder.check_rows(prepared.sha256)
        folder.drop_unfinished()
    else:
        folder.check_new()
        prepared = prepare(None)
        folder.begin(recipe, told, prepared.sha256, provenance=prepared.provenance)
    prepared.report.write(folder.rejected)
    return prepared


def _tell(prepared: Prepared, settings: RunSettings, folder: RunFolder, say: Say) -> None:
    report = prepared.report
    for each in report.left_out[:MOST_SHOWN]:
        say(str(each))
    if len(report.left_out) > MOST_SHOWN:
        more = len(report.left_out) - MOST_SHOWN
        say(f"... and {more:,} rows more that are left out: {folder.rejected}")
    for what, count in report.mended.items():
        say(f"{count:,} × {what}")
    say(
        f"{len(prepared.train):,} rows to train on, {len(prepared.evaluate):,} held out, "
        f"{len(report.left_out):,} of {report.rows:,} left out."
    )
    if not settings_packs(settings):
        batch = settings.batch_size * settings.accumulate * together.number_of_processes()
        if note := batch_note(len(prepared.train), batch):
            say(note)


def settings_packs(settings: RunSettings) -> bool:
    return bool(getattr(settings, "packing", False))


def _save(trainer: Any, path: Path, base: BaseModel, settings: RunSettings) -> None:
    trainer.save_model(str(path))
    if not together.is_first():
        return
    # The trainer's own arguments, pickled.
    (path / "training_args.bin").unlink(missing_ok=True)
    if settings.method != "full":
        # The model's name, since a path of this host tells nobody anything.
        config = path / "adapter_config.json"
        told = json.loads(config.read_text(encoding="utf-8"))
        told["base_model_name_or_path"] = base.name
        config.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def _quiet(settings: RunSettings) -> None:
    """One voice: what is worth telling is told by `say`."""
    import warnings

    import datasets
    import torch
    import transformers

    warnings.filterwarnings("ignore", category=FutureWarning)
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
