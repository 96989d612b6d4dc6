"""`rostra judge import`, and verdicts into the vote store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from rostra.mesh.cli.arena import require_arena
from rostra.mesh.cli.console import PLAIN
from rostra.mesh.cli.judge_work import INCOMPLETE, tell_rows
from rostra.mesh.cli.options import Config, HomeFolder
from rostra.mesh.cli.rating_source import one_line
from rostra.mesh.cli.votes_options import VotesUrl, counted, opened_store

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from rostra.arena.judge.folder import RunFolder
    from rostra.arena.judge.outcomes import Outcome


def import_(
    folder: Annotated[Path, typer.Argument(help="Folder of the run.", file_okay=False)],
    files: Annotated[
        list[Path],
        typer.Argument(help="Files of MT-bench, or folders of them."),
    ],
    config: Config = None,
    home: HomeFolder = None,
    store: Annotated[
        bool, typer.Option("--store/--no-store", help="Put comparisons into the vote store.")
    ] = True,
    campaign: Annotated[
        str, typer.Option(help="Campaign that the stored verdicts belong to.")
    ] = "judge",
    votes_url: VotesUrl = None,
) -> None:
    """Take MT-bench's questions, answers and judgements as a run of their own.

    Exit codes: 0 every row was taken; 2 nothing was, for the reason given; 3 some rows were not.
    """
    require_arena()
    console = Console()
    with one_line():
        from rostra.arena.judge.folder import opened
        from rostra.arena.judge.mt_bench import Files, files_of
        from rostra.arena.judge.outcomes import of_pairs

        read = Files()
        for path in files_of(files):
            read.read(path)
        questions = read.finished()
        with opened(folder, questions) as at:
            at.enter_names(read.contestants, read.judges)
            answers = [each for place, each in read.answers.items() if at.answer(*place) is None]
            at.add_answers(*answers)
            known = {(each.place, each.key) for each in at.verdicts}
            verdicts = [each for each in read.verdicts.values()
                        if (each.place, each.key) not in known]  # fmt: skip
            at.add_verdicts(*verdicts)
            console.print(
                f"{folder}: {counted(len(questions), 'question')}, "
                f"{counted(len(answers), 'answer')} and {counted(len(verdicts), 'verdict')} taken",
                **PLAIN,
            )
            if store and read.verdicts:
                with opened_store(config, home, votes_url, must_exist=False) as engine:
                    found = [each for each in of_pairs(at.verdicts).outcomes
                             if each.judge in read.judges]  # fmt: skip
                    store_outcomes(engine, at, found, campaign, console)
    tell_rows(read.faults, console)
    if read.faults:
        raise typer.Exit(INCOMPLETE)


def store_outcomes(
    engine: Engine, at: RunFolder, found: Sequence[Outcome], campaign: str, console: Console
) -> None:
    from rostra.arena.judge.storing import store

    stored = store(engine, at, found, campaign)
    already = f", {stored.present:,} in it already" if stored.present else ""
    console.print(
        f"{counted(stored.taken, 'verdict')} put into the vote store{already}; "
        "`rostra rate --from judges` rates them",
        **PLAIN,
    )
