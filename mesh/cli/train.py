"""`rostra train`: adapters from conversations and from votes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console

from rostra.mesh.cli.adapters import Ca, Cert, Key, ServerName, Tls
from rostra.mesh.cli.options import Config, HomeFolder
from rostra.mesh.cli.train_options import (
    Accumulate,
    BatchSize,
    DTypeOption,
    Epochs,
    EvalShare,
    LearningRate,
    MaxLength,
    MaxSteps,
    MethodOption,
    Model,
    Out,
    Rank,
    Resume,
    SaveEvery,
    Seed,
    Serve,
    ServeAs,
    Threads,
)
from rostra.mesh.cli.train_serve import ServeOptions
from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.mesh.home import Home
    from rostra.training.running import Trained
    from rostra.training.settings import RunSettings

    Settings = TypeVar("Settings", bound=RunSettings)

app = typer.Typer(
    help="Train an adapter, or a model, on conversations or on the votes of the arena.",
    no_args_is_help=True,
)


@app.command()
def sft(
    data: Annotated[
        list[Path] | None,
        typer.Argument(help="Files of conversations: JSON or JSON lines.", dir_okay=False),
    ] = None,
    config: Config = None,
    home: HomeFolder = None,
    model: Model = None,
    out: Out = None,
    resume: Resume = False,
    format: Annotated[
        str | None,
        typer.Option(help="messages, sharegpt or alpaca. Default: of each row by its keys."),
    ] = None,
    eval_data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Evaluate on this file, in place of a share of the rows.", dir_okay=False
        ),
    ] = None,
    eval_share: EvalShare = None,
    packing: Annotated[
        bool | None,
        typer.Option("--packing/--no-packing", help="Several conversations in one block."),
    ] = None,
    method: MethodOption = None,
    lora_rank: Rank = None,
    epochs: Epochs = None,
    max_steps: MaxSteps = None,
    batch_size: BatchSize = None,
    accumulate: Accumulate = None,
    learning_rate: LearningRate = None,
    max_length: MaxLength = None,
    dtype: DTypeOption = None,
    threads: Threads = None,
    seed: Seed = None,
    save_every: SaveEvery = None,
    serve: Serve = None,
    serve_as: ServeAs = None,
    tls: Tls = False,
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    server_name: ServerName = None,
) -> None:
    """Fine-tune on conversations; the loss is that of the assistant's turns alone."""
    options = dict(locals())
    given = _given(options, "config", "home", "resume", *ServeOptions.names())
    place = _place(home)
    from rostra.training.settings import SftSettings
    from rostra.training.sft import train_sft

    settings = _settings(SftSettings, "sft", config, given)
    _run(train_sft, settings, place, resume, ServeOptions.of(options))


@app.command()
def dpo(
    config: Config = None,
    home: HomeFolder = None,
    model: Model = None,
    out: Out = None,
    resume: Resume = False,
    votes: Annotated[
        Path | None,
        typer.Option(help="File of votes with their texts, instead of the store.", dir_okay=False),
    ] = None,
    votes_url: Annotated[
        str | None,
        typer.Option(help="SQLAlchemy URL of the vote store. Default: SQLite in the home folder."),
    ] = None,
    campaign: Annotated[
        list[str] | None,
        typer.Option(help="Votes of this campaign. Repeat for more. Default: all."),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAG=VALUE",
            help="Battles with this tag, as language=en or code=no. Repeat for more.",
        ),
    ] = None,
    contestant: Annotated[
        list[str] | None,
        typer.Option(help="Battles between those that are named so. Default: all."),
    ] = None,
    min_reliability: Annotated[
        float | None,
        typer.Option(help="Votes of voters who are attentive with at least this probability."),
    ] = None,
    ties: Annotated[
        str | None, typer.Option(help="drop, or soft: a label of one half. Default: drop.")
    ] = None,
    both_bad: Annotated[
        str | None, typer.Option(help="drop, or tie: as --ties says. Default: drop.")
    ] = None,
    beta: Annotated[
        float | None, typer.Option(help="How much it costs to leave the base model.")
    ] = None,
    eval_share: EvalShare = None,
    method: MethodOption = None,
    lora_rank: Rank = None,
    epochs: Epochs = None,
    max_steps: MaxSteps = None,
    batch_size: BatchSize = None,
    accumulate: Accumulate = None,
    learning_rate: LearningRate = None,
    max_length: MaxLength = None,
    dtype: DTypeOption = None,
    threads: Threads = None,
    seed: Seed = None,
    save_every: SaveEvery = None,
    serve: Serve = None,
    serve_as: ServeAs = None,
    tls: Tls = False,
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    server_name: ServerName = None,
) -> None:
    """Train on which of two answers people preferred, as the vote log has it."""
    options = dict(locals())
    given = _given(
        options,
        *("config", "home", "resume", "campaign", "category", "contestant"),
        *ServeOptions.names(),
    )
    given |= {"campaigns": campaign} if campaign else {}
    given |= {"contestants": contestant} if contestant else {}
    given |= {"categories": _categories(category)} if category else {}
    place = _place(home)
    from rostra.mesh.cli.arena import require_arena

    require_arena()
    from rostra.mesh.cli.config import RostraConfig
    from rostra.training.dpo import train_dpo
    from rostra.training.settings import DpoSettings

    settings = _settings(DpoSettings, "dpo", config, given)
    if settings.votes is None and settings.votes_url is None:
        url = RostraConfig.read(config).arena.get("votes_url") or place.votes_url
        settings = settings.model_copy(update={"votes_url": url})
    _run(train_dpo, settings, place, resume, ServeOptions.of(options))


def _given(options: Mapping[str, Any], *others: str) -> dict[str, Any]:
    """What the command line says of the settings, which goes over the file."""
    return {
        name: value.value if isinstance(value, Enum) else value
        for name, value in options.items()
        if name not in others and value is not None and value != []
    }


def _categories(options: list[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for each in options:
        tag, equals, value = each.partition("=")
        if not (tag and equals and value):
            raise RostraError(f"--category {each!r} is not TAG=VALUE, as language=en")
        found[tag] = (*found.get(tag, ()), value)
    return found


def _place(home: Path | None) -> Home:
    from rostra.mesh.cli.train_base import require_train
    from rostra.mesh.home import Home

    require_train()
    return Home.locate(home)


def _settings(
    model: type[Settings], recipe: str, config: Path | None, given: dict[str, Any]
) -> Settings:
    from rostra.mesh.cli.config import RostraConfig, checked

    tables = RostraConfig.read(config).train
    if unknown := sorted(tables.keys() - {"sft", "dpo"}):
        raise RostraError(f"[train.{unknown[0]}]: there are [train.sft] and [train.dpo]")
    table = tables.get(recipe, {})
    return checked(model, {**table, **given}, f"[train.{recipe}] with the options")


def _run(
    recipe: Callable[..., Trained],
    settings: RunSettings,
    place: Home,
    resume: bool,
    serve: ServeOptions,
) -> None:
    from rostra.mesh.cli.train_base import resolve_base

    console = Console(soft_wrap=True, markup=False, highlight=False)
    base = resolve_base(settings.model, place)
    serving = serve.serving(settings, base)
    with _one_line():
        trained = recipe(settings, base, console.print, resume=resume)
    from rostra.training.together import is_first

    if not is_first():
        return
    console.print(f"Wrote {trained.path}, with its card README.md.")
    if serving is not None:
        for each in serving.load(trained.path):
            console.print(each)


@contextmanager
def _one_line() -> Iterator[None]:
    """Errors of training as the command line shows them."""
    from rostra.training.errors import TrainingError

    try:
        yield
    except TrainingError as error:
        raise RostraError(str(error)) from error
