"""Conversations made fit to train on, or left out with the reason."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

from rostra.training.conversations import Conversation, Message
from rostra.training.report import Report

# Half of a surrogate pair, which no tokenizer takes, and NUL.
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")


def cleaned(conversations: Iterable[Conversation], report: Report) -> Iterator[Conversation]:
    """Those that are, after mending, a system turn or none and then user and assistant in turns.

    Mended: white space at the ends of turns, characters that no tokenizer takes, answers before
    the first question, questions without an answer at the end, an empty system turn. Left out:
    an empty turn, two turns of one role in a row, no answer.
    """
    for each in conversations:
        messages = [_tidy(message, report) for message in each.messages]
        system = messages[:1] if messages and messages[0].role == "system" else []
        turns = messages[len(system) :]
        if system and not system[0].content:
            report.mended["empty system turn taken out"] += 1
            system = []
        if turns and turns[0].role == "assistant":
            report.mended["answer before the first question taken out"] += 1
            turns = turns[1:]
        if turns and turns[-1].role == "user":
            report.mended["last question, which has no answer, taken out"] += 1
            turns = turns[:-1]
        reason, detail = _fault(turns)
        if reason:
            report.leave_out(each.where, reason, detail)
        else:
            yield Conversation((*system, *turns), each.where)


def deduplicated(conversations: Iterable[Conversation], report: Report) -> Iterator[Conversation]:
    """The first of each, where letter case and white space make no difference."""
    seen: dict[bytes, str] = {}
    for each in conversations:
        first = seen.setdefault(_digest(each), each.where)
        if first == each.where:
            yield each
        else:
            report.leave_out(each.where, "the same conversation as another", first)


def same_question(text: str) -> str:
    """Equal for questions that differ in letter case and white space only."""
    return " ".join(text.split()).casefold()


def first_question(messages: Iterable[Message]) -> str:
    """By which conversations belong together, so that none is on both sides of an evaluation."""
    return next((same_question(each.content) for each in messages if each.role == "user"), "")


def _tidy(message: Message, report: Report) -> Message:
    text, unusable = _UNUSABLE.subn("\ufffd", message.content)
    if unusable:
        report.mended["turn with characters that no tokenizer takes"] += 1
    return Message(message.role, text.strip())


def _fault(turns: list[Message]) -> tuple[str, str]:
    if not turns:
        return "no question with an answer", ""
    for number, turn in enumerate(turns):
        expected = "assistant" if number % 2 else "user"
        if turn.role != expected:
            return "turns out of order", f"turn {number + 1} is the {turn.role}'s"
        if not turn.content:
            return "an empty turn", f"turn {number + 1}, the {turn.role}'s"
    return "", ""


def _digest(conversation: Conversation) -> bytes:
    parts = [f"{each.role}\x1f{same_question(each.content)}" for each in conversation.messages]
    return hashlib.sha256("\x1e".join(parts).encode()).digest()
