"""A growing answer, drawn at the cost of what is new."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rostra.arena.rendering.markdown import MARKDOWN, render

# As the parser counts them; `str.splitlines` knows further separators, such as a form feed.
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)")


@dataclass(frozen=True, slots=True)
class Part:
    """What changed in an answer, for `drawPart` of `answer.js`."""

    at: int
    """How many pieces of settled HTML came before this one; 0 begins anew."""
    html: str
    """Safe HTML of the blocks that have ended since. Empty: none has."""
    tail: str
    """Safe HTML of the block that still grows, in place of the one before."""


class AnswerStream:
    """Renders one answer, again and again, at the cost of its last block only.

    A block of CommonMark that is followed by another one on a complete line never changes again, so
    its HTML is settled and not sent again. The exception is a reference to a link defined further
    down, which is resolved when the answer has ended.
    """

    def __init__(self) -> None:
        self.done = False
        """Whether the answer has ended and all of it has been drawn."""
        self._pieces: list[str] = []
        self._tail = ""
        self._start = 0

    def update(self, text: str, *, ended: bool = False) -> Part | None:
        """What to draw now that the answer is `text`, which extends that of the call before."""
        if self.done:
            return None
        if ended:
            self.done = True
            whole = render(text)
            if whole == "".join(self._pieces) + self._tail:
                return None
            self._pieces, self._tail = [whole], ""
            return self.whole()
        settled, tail = self._render(text)
        if not settled and tail == self._tail:
            return None
        self._tail = tail
        part = Part(len(self._pieces), settled, tail)
        if settled:
            self._pieces.append(settled)
        return part

    def whole(self) -> Part:
        """All that has been drawn, for a page that has nothing of it."""
        self._pieces = ["".join(self._pieces)] if self._pieces else []
        return Part(0, "".join(self._pieces), self._tail)

    def _render(self, text: str) -> tuple[str, str]:
        rest = text[self._start :]
        complete = rest[: rest.rfind("\n") + 1]
        blocks = [
            token.map[0]
            for token in MARKDOWN.parse(complete)
            if token.level == 0 and token.map is not None and token.nesting >= 0
        ]
        settled = ""
        if len(blocks) > 1:
            length = sum(map(len, _LINE.findall(complete)[: blocks[-1]]))
            settled = render(rest[:length])
            self._start += length
            rest = rest[length:]
        return settled, render(rest)
