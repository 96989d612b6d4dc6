"""The text of one output, read by a coroutine that waits where more may come."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import TypeVar

from rostra.mesh.parsers.events import Event, Kind

T = TypeVar("T")
Steps = Generator[None, None, T]
"""Yields where it needs more text than there is, and returns a T."""

_SPACES = re.compile(r"[ \t\r\n]*")


class Reader:
    """Hands out the text character by character and notes what becomes of it.

    What was read and not yet decided on is held. `text` makes it content or reasoning, `call` makes
    it a call, `drop` takes it for markup. Each decision depends on the text alone and never on how
    it was cut into pieces, so the events joined are the same for every cut.

    White space next to markup belongs to the markup: it is in no event.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        """Taken out by the owner."""
        self.offset = 0
        """Characters read."""
        self.settled = 0
        """Characters up to the end of the last event."""
        self._reasoning_end: int | None = 0
        self._chunk = ""
        self._at = 0
        self._ended = False
        self._held: list[str] = []
        self._spaces: list[str] = []
        self._after_markup = False

    @property
    def reasoning_end(self) -> int:
        """Characters at the beginning that were reasoning, markers included."""
        return self.offset if self._reasoning_end is None else self._reasoning_end

    def begin_reasoning(self) -> None:
        self._reasoning_end = None

    def end_reasoning(self) -> None:
        self._reasoning_end = self.offset

    def feed(self, text: str) -> None:
        """Only when all before it was read."""
        self._chunk, self._at = text, 0

    def end(self) -> None:
        self._ended = True

    def peek(self) -> Steps[str]:
        """The next character; empty at the end."""
        while self._at == len(self._chunk):
            if self._ended:
                return ""
            yield
        return self._chunk[self._at]

    def run(self, pattern: re.Pattern[str]) -> Steps[str]:
        """The longest run of characters of a class. `pattern` is the class and a star."""
        parts: list[str] = []
        while (yield from self.peek()):
            match = pattern.match(self._chunk, self._at)
            if match is None or not match[0]:
                break
            parts.append(self._read(match.end()))
        return "".join(parts)

    def some(self, pattern: re.Pattern[str]) -> None:
        """What is there of such a run, which may go on."""
        match = pattern.match(self._chunk, self._at)
        assert match is not None, "the pattern is a class and a star"
        self._read(match.end())

    def spaces(self) -> Steps[str]:
        return (yield from self.run(_SPACES))

    def literal(self, text: str) -> Steps[bool]:
        """Whether `text` comes next. If not, reading stops at the character that differs."""
        for expected in text:
            if (yield from self.peek()) != expected:
                return False
            self._read(self._at + 1)
        return True

    def until(self, marker: str, kind: Kind = Kind.CONTENT) -> Steps[bool]:
        """Makes everything before `marker` text of a kind. Whether it came at all.

        The marker is held. Its first character must be nowhere else in it.
        """
        while (yield from self.peek()):
            found = self._chunk.find(marker[0], self._at)
            if found != self._at:
                self._read(found if found >= 0 else len(self._chunk))
                self.text(kind)
                continue
            if (yield from self.literal(marker)):
                return True
            self.text(kind)
        self._finish(kind)
        return False

    def rest(self, kind: Kind = Kind.CONTENT) -> Steps[None]:
        """Makes everything to the end text of a kind."""
        while (yield from self.peek()):
            self._read(len(self._chunk))
            self.text(kind)
        self._finish(kind)

    def text(self, kind: Kind = Kind.CONTENT) -> None:
        """What is held becomes text, but for white space that markup may follow."""
        text = "".join(self._held)
        self._held.clear()
        if self._after_markup:
            text = text.lstrip(" \t\r\n")
        body = text.rstrip(" \t\r\n")
        if body:
            self._put(kind, "".join(self._spaces) + body, self.offset - len(text) + len(body))
            self._spaces = [text[len(body) :]]
            self._after_markup = False
        else:
            self._spaces.append(text)

    def call(self, name: str, arguments: str) -> None:
        """What is held becomes a call."""
        self.drop()
        self._put(Kind.CALL, name, self.offset)
        self._put(Kind.ARGUMENTS, arguments, self.offset)
        self._put(Kind.CALL_END, "", self.offset)

    def drop(self) -> None:
        """What is held was markup."""
        self._held.clear()
        self._spaces.clear()
        self._after_markup = True

    def _finish(self, kind: Kind) -> None:
        self.text(kind)
        if not self._after_markup:
            self._put(kind, "".join(self._spaces), self.offset)
            self._spaces.clear()

    def _put(self, kind: Kind, text: str, end: int) -> None:
        if text or kind is Kind.CALL_END:
            self.events.append(Event(kind, text, end))
            self.settled = end

    def _read(self, end: int) -> str:
        text = self._chunk[self._at : end]
        self._held.append(text)
        self.offset += len(text)
        self._at = end
        return text
