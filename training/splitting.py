"""Conversations that are longer than the model is trained on, in parts that are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rostra.training.conversations import Message
from rostra.training.rendering import Encoded

Encode = Callable[[Sequence[Message]], Encoded]


class TooLongError(Exception):
    """One question with its answer is too long already."""


def parts(
    messages: Sequence[Message], encode: Encode, most: int, characters: int
) -> Iterator[Encoded]:
    """As few parts as possible of up to `most` tokens, each with the system turn, if there is one,
    and whole exchanges. Raises TooLongError once there is an exchange that fits into none.

    What has more than `characters` is certain to be longer, and not encoded: that would take memory
    and time without bound."""
    if _characters(messages) <= characters:
        whole = encode(messages)
        if len(whole.ids) <= most:
            yield whole
            return
    system = tuple(messages[:1]) if messages[0].role == "system" else ()
    turns = messages[len(system) :]
    exchanges = [tuple(turns[at : at + 2]) for at in range(0, len(turns), 2)]
    part: tuple[Message, ...] = ()
    fitting: Encoded | None = None
    for number, exchange in enumerate(exchanges, start=1):
        if (count := _characters((*system, *exchange))) > characters:
            raise TooLongError(f"exchange {number} has {count:,} characters")
        longer = encode((*system, *part, *exchange))
        if len(longer.ids) > most and fitting is not None:
            yield fitting
            part, longer = (), encode((*system, *exchange))
        if len(longer.ids) > most:
            raise TooLongError(f"exchange {number} has {len(longer.ids):,} tokens")
        part, fitting = (*part, *exchange), longer
    if fitting is not None:
        yield fitting


def _characters(messages: Sequence[Message]) -> int:
    return sum(len(each.content) for each in messages)
