"""A judge goes through a plan."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from rostra.arena.judge.asking import Asker, Judged
from rostra.arena.judge.errors import NoReplyError
from rostra.arena.judge.folder import RunFolder
from rostra.arena.judge.plan import Place, Plan, is_own, request_of
from rostra.arena.judge.pool import Patience, bounded
from rostra.arena.judge.records import Verdict
from rostra.arena.judge.request import JudgeRequest
from rostra.arena.judge.settings import JudgeSettings
from rostra.arena.judge.tally import Tally, Told


class Judging:
    """One judge over one folder. Verdicts that are there are not asked for again, nor is nonsense,
    unless `again`."""

    def __init__(
        self,
        folder: RunFolder,
        judge: JudgeSettings,
        asker: Asker,
        *,
        again: bool = False,
        told: Told = lambda _: None,
    ) -> None:
        self._folder = folder
        self._judge = judge
        self._identity = judge.identity()
        self._asker = asker
        self._told = told
        self._patience = Patience()
        self._known = {
            (each.place, each.key)
            for each in folder.verdicts
            if each.status == "given" or not again
        }

    async def run(self, plan: Plan, concurrency: int) -> Tally:
        tally = Tally(len(plan.places))
        tally.faults.extend(plan.missing)

        async def work(place: Place) -> None:
            await self._one(place, tally)
            self._told(tally)

        await bounded(plan.places, concurrency, work)
        return tally

    async def _one(self, place: Place, tally: Tally) -> None:
        judge = self._judge
        request = request_of(self._folder, judge, place)
        empty = self._verdict(place, request, Judged("given"))
        if (empty.place, request.key) in self._known:
            tally.add("known")
            return
        if (lost := self._patience.why_lost(judge.name)) is not None:
            tally.add("failed")
            tally.faults.append(f"{place}: {lost}")
            return
        try:
            judged = await self._asker.judge(request)
        except NoReplyError as error:
            self._patience.failed(judge.name, str(error), hopeless=error.hopeless)
            tally.add("failed")
            tally.faults.append(f"{place}: {error}")
            return
        self._patience.succeeded(judge.name)
        self._folder.add_verdicts(self._verdict(place, request, judged))
        used = judged.prompt_tokens, judged.completion_tokens
        tally.add("cached" if judged.cached else judged.status, *used, judge.cost(*used))
        if judged.status != "given":
            tally.faults.append(f"{place}: {judge.name} gave {_worded(judged)}")

    def _verdict(self, place: Place, request: JudgeRequest, judged: Judged) -> Verdict:
        known = self._folder.manifest.contestants
        return Verdict(
            key=request.key,
            judge=self._judge.name,
            kind=request.kind,
            question=place.question.question_id,
            turn=place.turn,
            contestants=place.contestants,
            at=datetime.now(UTC),
            status=judged.status,
            score=judged.score,
            choice=judged.choice,
            reason=judged.reason,
            detail=judged.detail,
            prompt_tokens=judged.prompt_tokens,
            completion_tokens=judged.completion_tokens,
            attempts=judged.attempts,
            own=any(
                is_own(self._identity, name, known.get(name, {})) for name in place.contestants
            ),
            referenced=bool(place.question.reference[: place.turn]),
        )


def current(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """One for each place: the last that was given, else the last."""
    found: dict[tuple[object, ...], Verdict] = {}
    for each in verdicts:
        before = found.get(each.place)
        if before is None or before.status != "given" or each.status == "given":
            found[each.place] = each
    return list(found.values())


def _worded(judged: Judged) -> str:
    times = "" if judged.attempts == 1 else f" {judged.attempts} times"
    what = "no verdict but a refusal" if judged.status == "refused" else "nonsense"
    return f"{what}{times}: {judged.detail}"
