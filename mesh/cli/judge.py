"""`rostra judge`: contestants answer a benchmark, and models judge the answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from rostra.mesh.cli.arena import require_arena
from rostra.mesh.cli.judge_agreement import agreement
from rostra.mesh.cli.judge_import import import_
from rostra.mesh.cli.judge_rate import rate
from rostra.mesh.cli.judge_report import report
from rostra.mesh.cli.judge_verdicts import JudgeWork
from rostra.mesh.cli.judge_work import (
    INCOMPLETE,
    Setup,
    named,
    progress,
    setup,
    tell,
    tell_rows,
)
from rostra.mesh.cli.options import Config, HomeFolder
from rostra.mesh.cli.rating_source import one_line
from rostra.mesh.cli.votes_options import VotesUrl
from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.arena.contestant import Contestant
    from rostra.arena.judge.folder import RunFolder
    from rostra.arena.judge.plan import Plan
    from rostra.arena.judge.tally import Tally, Told

app = typer.Typer(
    help="Answer a benchmark, let models judge the answers, compare them with people.",
    no_args_is_help=True,
)
app.command("import")(import_)
app.command()(report)
app.command()(agreement)
app.command()(rate)

Folder = Annotated[Path, typer.Argument(help="Folder of the run.", file_okay=False)]
Gateway = Annotated[
    str | None, typer.Option("--gateway", help="Base URL of the gateway. Default: of [arena].")
]
Contestants = Annotated[
    list[str] | None,
    typer.Option("--contestant", help="Only this one. Repeat for more. Default: all."),
]
Judges = Annotated[
    list[str] | None,
    typer.Option("--judge", help="A [[judge]] by its name. Repeat for a panel. Default: all."),
]
Concurrency = Annotated[int, typer.Option(help="Requests at once.", min=1)]
Attempts = Annotated[int, typer.Option(help="The most requests for one row.", min=1)]
Again = Annotated[
    bool, typer.Option("--again", help="Ask again where an earlier reply was no verdict.")
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Ask anew for what another run has asked already.")
]
Campaign = Annotated[str, typer.Option(help="Campaign that the stored verdicts belong to.")]
Panel = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Store what most of the judges say, as the verdict of this judge, in place of theirs.",
    ),
]


@app.callback()
def judge() -> None:
    """Answer a benchmark, let models judge the answers, compare them with people."""


@app.command()
def run(
    folder: Folder,
    prompts: Annotated[
        Path | None,
        typer.Argument(
            help="Prompts, JSON lines; see docs/judge.md. Default: those of the run.",
            dir_okay=False,
        ),
    ] = None,
    config: Config = None,
    home: HomeFolder = None,
    gateway_url: Gateway = None,
    contestant: Contestants = None,
    concurrency: Concurrency = 8,
    attempts: Attempts = 3,
) -> None:
    """Let contestants answer prompts, through the gateway. Run again, it goes on where it ended.

    Exit codes: 0 every prompt is answered; 2 nothing was asked, for the reason given; 3 some
    prompts could not be read, or some answers not be had.
    """
    require_arena()
    import asyncio

    given = setup(config, home, gateway_url)
    console = Console()
    with one_line():
        from rostra.arena.judge.folder import opened
        from rostra.arena.judge.questions import read_questions

        known = {each.name: each for each in given.arena.contestants}
        chosen = [known[name] for name in named("contestant", list(known), contestant or ())]
        if not chosen:
            raise RostraError("there is no contestant: describe some in [[contestant]] tables")
        questions, faults = (None, []) if prompts is None else read_questions(prompts)
        tell_rows(faults, console)
        with opened(folder, questions) as at, progress("answers", console) as told:
            at.enter_contestants(chosen)
            tally = asyncio.run(_answer(given, at, chosen, concurrency, attempts, told))
    tell("answers", tally, given.arena.currency, console)
    if faults or tally.faults:
        raise typer.Exit(INCOMPLETE)


@app.command()
def grade(
    folder: Folder,
    config: Config = None,
    home: HomeFolder = None,
    gateway_url: Gateway = None,
    judge: Judges = None,
    contestant: Contestants = None,
    store: Annotated[
        bool,
        typer.Option(
            "--store/--no-store",
            help="Store a verdict on each pair whose scores tell who is better, or a tie.",
        ),
    ] = False,
    panel: Panel = None,
    campaign: Campaign = "judge",
    votes_url: VotesUrl = None,
    concurrency: Concurrency = 8,
    attempts: Attempts = 3,
    again: Again = False,
    no_cache: NoCache = False,
) -> None:
    """Give each answer a score from 1 to 10, with a reason.

    Exit codes: 0 every answer has its scores; 2 nothing was judged, for the reason given; 3 some
    verdicts could not be had.
    """
    require_arena()
    given = setup(config, home, gateway_url)

    def plan(at: RunFolder, names: Sequence[str]) -> Plan:
        from rostra.arena.judge.plan import grades

        return grades(at, names)

    work = JudgeWork(given, folder, judge or (), concurrency, attempts, again, not no_cache)
    faulty = work.do("grades", contestant or (), plan)
    if store:
        work.store("grades", panel, campaign, (config, home, votes_url))
    if faulty:
        raise typer.Exit(INCOMPLETE)


@app.command()
def pairs(
    folder: Folder,
    config: Config = None,
    home: HomeFolder = None,
    gateway_url: Gateway = None,
    judge: Judges = None,
    contestant: Contestants = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Compare each contestant with this one. Default: each with every other.",
        ),
    ] = None,
    store: Annotated[
        bool, typer.Option("--store/--no-store", help="Put the verdicts into the vote store.")
    ] = True,
    panel: Panel = None,
    campaign: Campaign = "judge",
    votes_url: VotesUrl = None,
    concurrency: Concurrency = 8,
    attempts: Attempts = 3,
    again: Again = False,
    no_cache: NoCache = False,
) -> None:
    """Compare answers two by two, in both orders; where the orders disagree it is a tie.

    Exit codes: 0 every pair has its verdicts; 2 nothing was judged, for the reason given; 3 some
    verdicts could not be had.
    """
    require_arena()
    given = setup(config, home, gateway_url)

    def plan(at: RunFolder, names: Sequence[str]) -> Plan:
        from rostra.arena.judge.plan import pairs as all_pairs

        if baseline is not None:
            named("contestant", list(at.manifest.contestants), (baseline,))
        if len({*names, *([baseline] if baseline else [])}) < 2:
            raise RostraError("a pair needs two contestants: answer with another one first")
        return all_pairs(at, names, baseline)

    work = JudgeWork(given, folder, judge or (), concurrency, attempts, again, not no_cache)
    faulty = work.do("comparisons", contestant or (), plan)
    if store:
        work.store("pairs", panel, campaign, (config, home, votes_url))
    if faulty:
        raise typer.Exit(INCOMPLETE)


async def _answer(
    given: Setup,
    at: RunFolder,
    contestants: Sequence[Contestant],
    concurrency: int,
    attempts: int,
    told: Told,
) -> Tally:
    from rostra.arena.gateway_client import GatewayClient
    from rostra.arena.gateway_tls import gateway_tls
    from rostra.arena.judge.answering import Answering

    arena = given.arena
    async with GatewayClient(
        arena.gateway_url, arena.api_key, arena.answer_timeout, gateway_tls(arena)
    ) as client:
        answering = Answering(at, client, attempts=attempts, told=told)
        return await answering.run(contestants, concurrency)
