"""How a round stands, in sentences. Until the vote, none of them names anybody."""

from __future__ import annotations

from rostra.arena.conversation import StreamedAnswer
from rostra.arena.ratings.table import Row
from rostra.arena.round import Round
from rostra.arena.texts import Texts

SLOW = 20
"""Seconds without a word after which the voter is told what else can be done."""


def status(current: Round, texts: Texts) -> str:
    """What is waited for, or what to do now that all has ended."""
    if not current.ended:
        return _waiting(current, texts)
    alone = len(current.answers) == 1
    if failed := current.failed_sides:
        if len(failed) == 1 and not alone:
            return texts("status.failed_one", letter=failed[0].upper())
        return texts("status.failed" if alone else "status.failed_both")
    if current.interrupted:
        return texts("status.interrupted")
    return texts("status.ended" if alone else "status.choose")


def _waiting(current: Round, texts: Texts) -> str:
    answers = current.answers
    writing = [side for side, answer in answers.items() if not answer.ended]
    seconds = int(max(answers[side].elapsed for side in writing))
    if not any(answer.text for answer in answers.values()):
        slow = "_slow" if seconds >= SLOW else ""
        return texts(f"status.first_words{slow}", seconds=seconds)
    if len(answers) == 1:
        return texts("status.writing", seconds=seconds)
    if len(writing) == 1:
        return texts("status.writing_one", letter=writing[0].upper(), seconds=seconds)
    return texts("status.writing_both", seconds=seconds)


def note(answer: StreamedAnswer, texts: Texts) -> str:
    """How an answer stands, under the answer."""
    if answer.state == "complete" and answer.finish_reason == "length":
        return texts("note.length")
    return texts(f"note.{answer.state}")


def revealed_note(answer: StreamedAnswer, texts: Texts) -> str:
    """`note` with figures, which before the vote would be a hint."""
    figures = []
    if answer.completion_tokens is not None:
        figures.append(texts("note.tokens", count=f"{answer.completion_tokens:,}"))
    if answer.seconds is not None:
        figures.append(texts("note.seconds", seconds=f"{answer.seconds:.1f}"))
    return " · ".join([note(answer, texts), *figures])


def rating(row: Row | None, texts: Texts) -> str:
    """A contestant's rating with its 94 % interval, when it has one."""
    if row is None:
        return texts("voted.unrated")
    low, high = row.eti_94
    return texts("voted.rating", rating=f"{row.rating:.0f}", low=f"{low:.0f}", high=f"{high:.0f}")
