"""Supervised fine-tuning on conversations, by TRL's trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from rostra.training.arguments import trainer_arguments
from rostra.training.base import BaseModel, load_model, load_tokenizer, lora
from rostra.training.cleaning import cleaned, deduplicated, first_question
from rostra.training.conversations import Conversation, read_conversations
from rostra.training.metrics import Recorder
from rostra.training.rendering import NotRenderedError, Renderer
from rostra.training.report import Report
from rostra.training.rows import IN_EVALUATION, Grouped, Prepared, divided, require
from rostra.training.run_folder import RunFolder
from rostra.training.running import Say, Trained, run
from rostra.training.settings import SftSettings
from rostra.training.sharding import shard
from rostra.training.splitting import TooLongError, parts


def train_sft(
    settings: SftSettings, base: BaseModel, say: Say = print, *, resume: bool = False
) -> Trained:
    """Raises TrainingError for what the user can mend."""
    tokenizer = load_tokenizer(base)
    renderer = Renderer(tokenizer, base.name)

    def make(prepared: Prepared, recorder: Recorder, resumes: bool) -> Any:
        return sft_trainer(settings, base, tokenizer, prepared, recorder, resumes=resumes)

    return run(
        "sft",
        settings,
        base,
        lambda _: prepare_sft(settings, renderer),
        make,
        say,
        resume=resume,
    )


def prepare_sft(settings: SftSettings, renderer: Renderer) -> Prepared:
    """Reads, cleans, splits and encodes the files. Raises TrainingError."""
    report = Report()
    evaluation = list(_conversations(settings.eval_data, settings, report))
    kept_out = {first_question(each.messages) for each in evaluation}
    found = _conversations(settings.data, settings, report)
    encode = _encoder(settings, renderer, report)
    rows = list(encode(_without(found, kept_out, report)))
    if settings.eval_data:
        train = [each.row for each in rows]
        evaluate = [each.row for each in encode(evaluation)]
    else:
        train, evaluate = divided(rows, settings.eval_share, settings.seed, report)
    require(train, report, "rows")
    provenance = {
        "data": [path.name for path in settings.data],
        "evaluation data": [path.name for path in settings.eval_data],
    }
    return Prepared(train, evaluate, report, provenance, {"tokens": _learned(train)})


def _conversations(
    paths: Iterable[Path], settings: SftSettings, report: Report
) -> Iterable[Conversation]:
    read = (each for path in paths for each in read_conversations(path, settings.format, report))
    found = cleaned(read, report)
    return deduplicated(found, report) if settings.deduplicate else found


def _without(
    found: Iterable[Conversation], kept_out: set[str], report: Report
) -> Iterable[Conversation]:
    for each in found:
        if first_question(each.messages) in kept_out:
            report.leave_out(each.where, IN_EVALUATION)
        else:
            yield each


def _encoder(
    settings: SftSettings, renderer: Renderer, report: Report
) -> Callable[[Iterable[Conversation]], Iterable[Grouped]]:
    most = settings.max_length
    characters = renderer.most_characters(most)

    def encode(found: Iterable[Conversation]) -> Iterable[Grouped]:
        for each in found:
            try:
                made = list(parts(each.messages, renderer.encode, most, characters))
            except TooLongError as error:
                reason = f"longer than max_length of {settings.max_length:,} tokens"
                report.leave_out(each.where, reason, str(error))
                continue
            except NotRenderedError as error:
                report.leave_out(each.where, str(error))
                continue
            if len(made) > 1:
                report.mended["conversation longer than max_length, split"] += 1
            group = first_question(each.messages)
            for part in made:
                yield Grouped({"input_ids": part.ids, "labels": part.labels}, group, each.where)

    return encode


def _learned(rows: Iterable[Mapping[str, list[int]]]) -> int:
    return sum(label != -100 for row in rows for label in row["labels"])


def sft_trainer(
    settings: SftSettings,
    base: BaseModel,
    tokenizer: Any,
    prepared: Prepared,
    recorder: Recorder,
    *,
    resumes: bool,
) -> Any:
    """TRL's trainer over rows that have their labels already."""
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    evaluates = bool(prepared.evaluate)
    arguments = trainer_arguments(
        settings, "sft", RunFolder(settings.out), evaluates=evaluates, resumes=resumes
    )
    config = SFTConfig(**arguments, packing=settings.packing, eval_packing=False)
    shard(settings, config)
    trainer = SFTTrainer(
        model=load_model(base, settings),
        args=config,
        train_dataset=Dataset.from_list(prepared.train),
        eval_dataset=Dataset.from_list(prepared.evaluate) if evaluates else None,
        processing_class=tokenizer,
        peft_config=lora(settings),
        callbacks=[recorder],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer
