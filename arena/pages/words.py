"""Sentences of the battle page. Until the vote, none of them names anybody."""

from __future__ import annotations

from rostra.arena.matchmaking import Side
from rostra.arena.ratings.table import Row
from rostra.arena.round import Round, StreamedAnswer
from rostra.arena.votes.records import Outcome

INTERNAL_ERROR = "Something went wrong on our side. Try again, or take a new pair."
CHOOSE = "Which answer is better? Vote, or ask both a further question."
EMPTY_ANSWER = "complete, without any text"


def too_long(length: int, limit: int) -> str:
    return f"The question has {length:,} characters; shorten it to {limit:,}."


def status(current: Round) -> str:
    """What is waited for, or what to do now that both answers have ended."""
    if failed := current.failed_sides:
        return _failure(failed)
    writing = [side for side, answer in current.answers.items() if not answer.ended]
    if not writing:
        return CHOOSE
    elapsed = int(max(current.answers[side].elapsed for side in writing))
    if len(writing) == 1:
        return f"Answer {writing[0].upper()} is being written, {elapsed} s"
    if any(current.answers[side].text for side in writing):
        return f"Both answers are being written, {elapsed} s"
    return f"Waiting for the first words, {elapsed} s"


def _failure(failed: list[Side]) -> str:
    if len(failed) == 1:
        which = f"Answer {failed[0].upper()} could not be completed"
    else:
        which = "The answers could not be completed"
    return f"{which}. Ask another pair: this round takes no vote."


def note(answer: StreamedAnswer) -> str:
    """How an answer stands, under the answer."""
    if answer.state == "waiting":
        return "waiting for the first word"
    if answer.state == "writing":
        return "being written"
    if answer.state == "failed":
        return "could not be completed"
    if answer.state == "stopped":
        return "stopped here"
    if answer.finish_reason == "length":
        return "cut off at the longest length allowed"
    return "complete" if answer.text else EMPTY_ANSWER


def revealed_note(answer: StreamedAnswer) -> str:
    """`note` with figures, which before the vote would be a hint."""
    figures = []
    if answer.completion_tokens is not None:
        figures.append(f"{answer.completion_tokens:,} tokens")
    if answer.seconds is not None:
        figures.append(f"{answer.seconds:.1f} s")
    return " · ".join([note(answer), *figures])


def voted(outcome: Outcome) -> str:
    chosen = {
        "a": "You preferred A.",
        "b": "You preferred B.",
        "tie": "You called it a tie.",
        "both_bad": "You found both bad.",
    }[outcome]
    return f"{chosen} Thank you: the vote is stored, and the names are above the answers."


def rating(row: Row | None) -> str:
    """A contestant's rating with its 94 % interval, when it has one."""
    if row is None:
        return "not rated yet"
    low, high = row.eti_94
    return f"rated {row.rating:.0f}, with 94 % between {low:.0f} and {high:.0f}"
