"""Direct preference optimisation on votes, by TRL's trainer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rostra.training.arguments import trainer_arguments
from rostra.training.base import BaseModel, load_model, load_tokenizer, lora
from rostra.training.conversations import Message
from rostra.training.errors import TrainingError
from rostra.training.metrics import Recorder
from rostra.training.preferences import Preference, preferences
from rostra.training.rendering import NotRenderedError, Renderer
from rostra.training.report import Report
from rostra.training.rows import Grouped, Prepared, divided, require
from rostra.training.run_folder import RunFolder
from rostra.training.running import Say, Trained, run
from rostra.training.settings import DpoSettings
from rostra.training.sharding import shard
from rostra.training.together import number_of_processes
from rostra.training.votes import Answer, Votes, read_file, read_store, reliabilities


def train_dpo(
    settings: DpoSettings, base: BaseModel, say: Say = print, *, resume: bool = False
) -> Trained:
    """`settings` name a file of votes, or the store's URL. Raises TrainingError for what the user
    can mend."""
    tokenizer = load_tokenizer(base)
    renderer = Renderer(tokenizer, base.name)

    def make(prepared: Prepared, recorder: Recorder, resumes: bool) -> Any:
        return dpo_trainer(settings, base, tokenizer, prepared, recorder, resumes=resumes)

    return run(
        "dpo",
        settings,
        base,
        lambda record: prepare_dpo(settings, renderer, record),
        make,
        say,
        resume=resume,
    )


def prepare_dpo(
    settings: DpoSettings, renderer: Renderer, record: Mapping[str, Any] | None = None
) -> Prepared:
    """Reads the votes and encodes pairs of answers; of a run that is resumed, the votes that its
    `record` says it began with. Raises TrainingError."""
    report = Report()
    votes = _read(settings, record, report)
    known = None
    if settings.min_reliability is not None:
        known = reliabilities(votes.battles, settings.seed)
    found = list(preferences(votes.battles, settings, report, known))
    rows = list(_encoded(found, settings, renderer, report))
    train, evaluate = divided(rows, settings.eval_share, settings.seed, report)
    require(train, report, "votes")
    provenance = {
        "votes": votes.source.name,
        "log_seq": votes.source.log_seq,
        "log_head": votes.source.log_head,
        "filters": filters(settings),
    }
    ties = sum(each.tie for each in found) // 2
    return Prepared(train, evaluate, report, provenance, {"ties, both ways round": ties})


def filters(settings: DpoSettings) -> dict[str, Any]:
    """What chose the votes, where it is not the default."""
    names = (
        *("campaigns", "categories", "contestants", "since", "until", "imported"),
        *("min_reliability", "ties", "both_bad", "several_turns"),
    )
    given = settings.model_dump(mode="json", include=set(names), exclude_defaults=True)
    return {name: given[name] for name in names if name in given}


def _read(settings: DpoSettings, record: Mapping[str, Any] | None, report: Report) -> Votes:
    if settings.votes is not None:
        return read_file(settings.votes, report)
    if settings.votes_url is None:
        raise TrainingError("no votes to train on: name a file, or the URL of a vote store")
    upto = None if record is None else record["provenance"]["log_seq"]
    return read_store(settings.votes_url, upto)


def _encoded(
    found: Iterable[Preference], settings: DpoSettings, renderer: Renderer, report: Report
) -> Iterator[Grouped]:
    too_long = f"longer than max_length of {settings.max_length:,} tokens"
    most = renderer.most_characters(settings.max_length)
    for each in found:
        if (characters := _characters(each)) > most:
            report.leave_out(each.where, too_long, f"it has {characters:,} characters")
            continue
        try:
            prompt, chosen = _completion(renderer, each.prompt, each.chosen)
            other, rejected = _completion(renderer, each.prompt, each.rejected)
        except NotRenderedError as error:
            report.leave_out(each.where, str(error))
            continue
        if prompt != other:
            report.leave_out(each.where, "an answer whose first letters merge with the prompt")
            continue
        longest = len(prompt) + max(len(chosen), len(rejected))
        if longest > settings.max_length:
            report.leave_out(each.where, too_long, f"it has {longest:,}")
            continue
        row = {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected}
        yield Grouped(row, each.group, each.where, evaluates=not each.tie)


def _characters(pair: Preference) -> int:
    longer = max(len(pair.chosen.text.strip()), len(pair.rejected.text.strip()))
    return longer + sum(len(each.content) for each in pair.prompt)


def _completion(
    renderer: Renderer, prompt: Sequence[Message], answer: Answer
) -> tuple[list[int], list[int]]:
    """Tokens of the prompt and of the answer. One that was cut off has no end of its turn: it
    would teach the model to stop where the limit was."""
    said = Message("assistant", answer.text.strip())
    made = renderer.encode((*prompt, said), ended=answer.ended)
    at = made.learned.index(True)
    own = [each for each, learned in zip(made.ids, made.learned, strict=True) if learned]
    return made.ids[:at], own


def dpo_trainer(
    settings: DpoSettings,
    base: BaseModel,
    tokenizer: Any,
    prepared: Prepared,
    recorder: Recorder,
    *,
    resumes: bool,
) -> Any:
    """TRL's trainer over rows that are tokens already."""
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import DPOConfig, DPOTrainer

    class OnTokens(DPOTrainer):
        """TRL would render the texts itself, and end every answer, whether it ended or not."""

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    alone = number_of_processes() == 1
    if settings.precompute_reference and not alone:
        raise TrainingError("precompute_reference is for a single process; leave it out")
    evaluates = bool(prepared.evaluate)
    arguments = trainer_arguments(
        settings, "dpo", RunFolder(settings.out), evaluates=evaluates, resumes=resumes
    )
    precomputes = alone if settings.precompute_reference is None else settings.precompute_reference
    config = DPOConfig(
        **arguments,
        beta=settings.beta,
        label_smoothing=settings.label_smoothing,
        precompute_ref_log_probs=precomputes,
    )
    shard(settings, config)
    trainer = OnTokens(
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
