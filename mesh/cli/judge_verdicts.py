"""What `rostra judge grade` and `rostra judge pairs` do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console

from rostra.mesh.cli.console import PLAIN
from rostra.mesh.cli.judge_import import store_outcomes
from rostra.mesh.cli.judge_work import Setup, named, progress, tell
from rostra.mesh.cli.rating_source import one_line
from rostra.mesh.cli.votes_options import opened_store
from rostra.mesh.errors import RostraError

if TYPE_CHECKING:
    from rostra.arena.judge.folder import RunFolder
    from rostra.arena.judge.forms import Form
    from rostra.arena.judge.plan import Plan
    from rostra.arena.judge.settings import JudgeSettings
    from rostra.arena.judge.tally import Tally, Told

LONGEST_PANEL = 50


class JudgeWork:
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
        from rostra.arena.judge.forms import Forms
        from rostra.arena.judge.judging import Judging

        arena = self._given.arena
        tls = gateway_tls(arena)
        cache = ReplyCache(self._given.cache) if self._cached else None
        async with JudgeClient(judge, arena.gateway_url, arena.api_key, tls) as client:
            known = at.manifest.forms.get(judge.name)
            keep = self._keep_form(judge, at)
            asker = Asker(client, cache, self._attempts, Forms(judge.structured, known, keep))
            judging = Judging(at, judge, asker, again=self._again, told=told)
            return await judging.run(plan, self._concurrency)

    def _keep_form(
        self, judge: JudgeSettings, at: RunFolder
    ) -> Callable[[Form, Mapping[Form, str]], None]:
        from rostra.arena.judge.forms import WORDS

        def keep(form: Form, given_up: Mapping[Form, str]) -> None:
            at.keep_form(judge.name, form)
            for each, reason in given_up.items():
                line = f"judge {judge.name!r} gives no verdict by {WORDS[each]}: {reason}"
                self._console.print(line, style="yellow", **PLAIN)
            if given_up:
                line = f"judge {judge.name!r} is asked by {WORDS[form]} from now on"
                self._console.print(line, **PLAIN)

        return keep

    def store(
        self,
        what: Literal["grades", "pairs"],
        panel: str | None,
        campaign: str,
        store: tuple[Path | None, Path | None, str | None],
    ) -> None:
        """Into the vote store of these options of the command line: configuration, home, URL."""
        with one_line():
            from rostra.arena.judge.folder import opened
            from rostra.arena.judge.outcomes import of_grades, of_pairs, of_panel, scoring

            judges = [each.name for each in self._judges]
            with opened(self._folder) as at, opened_store(*store, must_exist=False) as engine:
                if what == "pairs":
                    found = list(of_pairs(at.verdicts).outcomes)
                else:
                    # Another way to judge, so another judge: a rating can tell them apart.
                    found, judges = of_grades(at.verdicts), [scoring(name) for name in judges]
                found = [each for each in found if each.judge in judges]
                if panel is not None:
                    if panel in at.manifest.judges or not 0 < len(panel) <= LONGEST_PANEL:
                        raise RostraError(
                            f"--panel {panel!r}: a name of 1 to {LONGEST_PANEL} characters that no "
                            "judge has"
                        )
                    found = list(of_panel(panel, found, judges).outcomes)
                store_outcomes(engine, at, found, campaign, self._console)
