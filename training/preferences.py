"""From votes to pairs of answers, of which one was preferred."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from rostra.training.cleaning import same_question
from rostra.training.conversations import Message
from rostra.training.report import Report
from rostra.training.settings import DpoSettings
from rostra.training.votes import Answer, VotedBattle

NOT_BLIND = "not blind"
REVEALED = "an answer says who wrote it"
SYSTEM_PROMPTS = "trained without the system prompts, in which the two sides differed"


@dataclass(frozen=True)
class Preference:
    prompt: tuple[Message, ...]
    chosen: Answer
    rejected: Answer
    where: str
    tie: bool = False
    """One of the two rows of a tie, which has the other one the other way round."""

    @property
    def group(self) -> str:
        """What must not be on both sides of an evaluation."""
        return next(same_question(each.content) for each in self.prompt if each.role == "user")


def preferences(
    battles: Iterable[VotedBattle],
    settings: DpoSettings,
    report: Report,
    reliability: Mapping[str, float] | None = None,
) -> Iterator[Preference]:
    """Those of the votes that the settings choose; every other goes to the report.

    `reliability`: of voters, where `settings.min_reliability` is set.
    """
    for each in battles:
        report.rows += 1
        reasons = chain(_filters(each, settings, reliability or {}), _faults(each, settings))
        if reason := next(reasons, None):
            text, _, detail = reason.partition(": ")
            report.leave_out(each.where, text, detail)
            continue
        yield from _pairs(each, settings, report)


def _filters(
    battle: VotedBattle, settings: DpoSettings, reliability: Mapping[str, float]
) -> Iterator[str]:
    """Why the settings leave it out."""
    if settings.campaigns and battle.campaign not in settings.campaigns:
        yield f"of another campaign: {battle.campaign}"
    if not settings.imported and battle.imported:
        yield "imported, not cast here"
    if settings.contestants and not {battle.left, battle.right} <= set(settings.contestants):
        yield f"between other contestants: {battle.left}, {battle.right}"
    for tag, values in settings.categories.items():
        if battle.tags.get(tag) not in values:
            yield f"of another {tag}: {battle.tags.get(tag, 'not tagged')}"
    if settings.since is not None and (battle.at is None or battle.at < settings.since):
        yield "cast before the time that was asked for"
    if settings.until is not None and (battle.at is None or battle.at >= settings.until):
        yield "cast after the time that was asked for"
    if settings.min_reliability is not None:
        known = reliability.get(battle.voter or "")
        if known is None:
            yield "by a voter who is not known"
        elif known < settings.min_reliability:
            yield f"by a voter who is not reliable enough: {known:.2f}"


def _faults(battle: VotedBattle, settings: DpoSettings) -> Iterator[str]:
    """Why there is no pair in it."""
    if battle.judge is not None:
        yield "a model's verdict: what people prefer is learnt from people"
    if battle.mode != "battle":
        yield NOT_BLIND
    if battle.revealed:
        yield REVEALED
    if battle.failed:
        yield "a failed battle"
    if battle.outcome == "both_bad" and settings.both_bad == "drop":
        yield "both bad: neither is to be preferred"
    if battle.outcome in ("tie", "both_bad") and settings.ties == "drop":
        yield "a tie"
    if not battle.questions or not battle.questions[0].strip():
        yield "without its texts"
        return
    if battle.has_images:
        yield "a question with images"
    if len(battle.questions) > 1 and settings.several_turns == "drop":
        yield f"several turns, after whose first the two have no common prompt: {battle.turns}"
    left, right = battle.answers_left[0], battle.answers_right[0]
    if left is None or right is None or not left.text.strip() or not right.text.strip():
        yield "an empty answer"
    elif left.text.strip() == right.text.strip():
        yield "two answers that are the same"


def _pairs(battle: VotedBattle, settings: DpoSettings, report: Report) -> Iterator[Preference]:
    prompt: tuple[Message, ...] = (Message("user", battle.questions[0].strip()),)
    if battle.system_left == battle.system_right:
        if battle.system_left:
            prompt = (Message("system", battle.system_left), *prompt)
    else:
        report.mended[SYSTEM_PROMPTS] += 1
    left, right = battle.answers_left[0], battle.answers_right[0]
    assert left is not None
    assert right is not None
    if battle.outcome == "a":
        yield Preference(prompt, left, right, battle.where)
    elif battle.outcome == "b":
        yield Preference(prompt, right, left, battle.where)
    else:
        # Half the loss of each way round is the cross-entropy to a label of one half.
        yield Preference(prompt, left, right, battle.where, tie=True)
        yield Preference(prompt, right, left, battle.where, tie=True)
