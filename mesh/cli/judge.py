"""`rostra judge`: contestants answer a benchmark, and models judge the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from rostra.mesh.cli.arena import require_arena
from rostra.mesh.cli.judge_import import import_
from rostra.mesh.cli.judge_report import report
from rostra.mesh.cli.judge_work import (
    INCOMPLETE,
    MOST_FAULTS,
    PLAIN,
    Setup,
    named,
    progress,
    setup,
    tell,
)
from rostra.mesh.cli.options import Config, HomeFolder
from rostra.mesh.cli.rating_source import one_line
from rostra.mesh.cli.votes_options import VotesUrl, opened_store
from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.arena.contestant import Contestant
    from rostra.arena.judge.folder import RunFolder
    from rostra.arena.judge.outcomes import Outcome
    from rostra.arena.judge.plan import Plan
    from rostra.arena.judge.settings import JudgeSettings
    from rostra.arena.judge.tally import Tally, Told

app = typer.Typer(
    help="Answer a benchmark, let models judge the answers, compare them with people.",
    no_args_is_help=True,
)
app.command("import")(import_)
app.command()(report)

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
        Path, typer.Argument(help="Prompts, JSON lines; see docs/judge.md.", dir_okay=False)
    ],
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
        questions, faults = read_questions(prompts)
        for fault in faults[:MOST_FAULTS]:
            console.print(str(fault), style="yellow", **PLAIN)
        if len(faults) > MOST_FAULTS:
            console.print(f"and {len(faults) - MOST_FAULTS:,} more rows", style="yellow", **PLAIN)
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

    def outcomes(at: RunFolder) -> Sequence[Outcome]:
        from rostra.arena.judge.outcomes import of_grades

        return of_grades(at.verdicts)

    work = _Work(given, folder, judge or (), concurrency, attempts, again, not no_cache)
    faulty = work.do("grades", contestant or (), plan)
    if store:
        work.store(outcomes, panel, campaign, (config, home, votes_url))
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

    def outcomes(at: RunFolder) -> Sequence[Outcome]:
        from rostra.arena.judge.outcomes import of_pairs

        return of_pairs(at.verdicts).outcomes

    work = _Work(given, folder, judge or (), concurrency, attempts, again, not no_cache)
    faulty = work.do("comparisons", contestant or (), plan)
    if store:
        work.store(outcomes, panel, campaign, (config, home, votes_url))
    if faulty:
        raise typer.Exit(INCOMPLETE)


class _Work:
    """Judges over a folder, one judge after the other."""

    def __init__(
        self,
        given: Setup,
        folder: Path,
        judges: Sequence[str],
        concurrency: int,
        attempts: int,
        again: bool,
        cached: bool,
    ) -> None:
        self._given = given
        self._folder = folder
        self._judges = given.judges_named(judges)
        self._concurrency = concurrency
        self._attempts = attempts
        self._again = again
        self._cached = cached
        self._console = Console()

    def do(
        self,
        description: str,
        contestants: Sequence[str],
        plan: Callable[[RunFolder, Sequence[str]], Plan],
    ) -> bool:
        """Whether some of it came to nothing."""
        import asyncio

        faulty = False
        with one_line():
            from rostra.arena.judge.folder import opened

            for judge in self._judges:
                # Before anything is asked: a missing key is no half of a run.
                judge.key()
            with opened(self._folder) as at:
                at.enter_judges(self._judges)
                names = named("contestant", list(at.manifest.contestants), contestants)
                wanted = plan(at, names)
                for judge in self._judges:
                    title = f"{description} by {judge.name}"
                    with progress(title, self._console) as told:
                        tally = asyncio.run(self._judge(judge, at, wanted, told))
                    tell(title, tally, self._given.arena.currency, self._console)
                    faulty = faulty or bool(tally.faults)
        return faulty

    async def _judge(self, judge: JudgeSettings, at: RunFolder, plan: Plan, told: Told) -> Tally:
        from rostra.arena.gateway_tls import gateway_tls
        from rostra.arena.judge.asking import Asker
        from rostra.arena.judge.cache import ReplyCache
        from rostra.arena.judge.client import JudgeClient
        from rostra.arena.judge.judging import Judging

        arena = self._given.arena
        tls = gateway_tls(arena)
        cache = ReplyCache(self._given.cache) if self._cached else None
        async with JudgeClient(judge, arena.gateway_url, arena.api_key, tls) as client:
            asker = Asker(client, cache, self._attempts)
            judging = Judging(at, judge, asker, again=self._again, told=told)
            return await judging.run(plan, self._concurrency)

    def store(
        self,
        outcomes: Callable[[RunFolder], Sequence[Outcome]],
        panel: str | None,
        campaign: str,
        store: tuple[Path | None, Path | None, str | None],
    ) -> None:
        from rostra.mesh.cli.judge_import import store_outcomes

        with one_line():
            from rostra.arena.judge.folder import opened
            from rostra.arena.judge.outcomes import of_panel

            judges = [each.name for each in self._judges]
            with opened(self._folder) as at, opened_store(*store, must_exist=False) as engine:
                found = [each for each in outcomes(at) if each.judge in judges]
                if panel is not None:
                    if panel in at.manifest.judges or not 0 < len(panel) <= 50:
                        raise RostraError(
                            f"--panel {panel!r}: a name of 1 to 50 characters that no judge has"
                        )
                    found = list(of_panel(panel, found, judges).outcomes)
                store_outcomes(engine, at, found, campaign, self._console)


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
