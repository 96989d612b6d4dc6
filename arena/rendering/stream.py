"""A growing answer, drawn at the cost of what is new."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from rostra.arena.rendering.characters import Cleaner
from rostra.arena.rendering.draft import draft
from rostra.arena.rendering.markdown import render_block, render_plain
from rostra.arena.rendering.pieces import Piece, Splitter

BUDGET = 0.01
"""Seconds that one update may take before it leaves the rest to the next."""
_FED_AT_ONCE = 32_768


@dataclass(frozen=True, slots=True)
class Part:
    """What changed in an answer, for `drawPart` of `answer.js`."""

    at: int
    """How many parts with settled HTML came before this one; 0 begins anew."""
    html: str
    """Safe HTML of the blocks that have ended since. Empty: none has."""
    keep: int
    """How much of the tail before stays, in UTF-16 code units as a browser counts."""
    tail: str
    """Safe HTML of the block that still grows, after what stays of it."""


class AnswerStream:
    """Renders one answer, again and again, at the cost of its last block only.

    Blocks that have ended are settled and not sent again; the whole, once it has ended, is the same
    however it came. One exception: a link whose address is defined further down than it stands is
    drawn as text until the answer has ended, and then the answer is sent anew.
    """

    def __init__(self) -> None:
        self.done = False
        """Whether the answer has ended and all of it has been drawn."""
        self._cleaner = Cleaner()
        self._num_read = 0
        self._splitter = Splitter()
        self._pieces: deque[Piece] = deque()
        self._html: list[str] = []
        self._num_sent = 0
        self._tail = ""
        self._links = _Links()
        self._lacking: dict[int, tuple[Piece, set[str]]] = {}

    def update(
        self, text: str, *, ended: bool = False, budget: float | None = BUDGET
    ) -> Part | None:
        """What to draw now that the answer is `text`, which extends that of the call before.

        None: nothing has changed. Where `budget` (seconds; None for all the time it takes) does not
        suffice, further calls go on, until `done`.
        """
        if self.done:
            return None
        deadline = float("inf") if budget is None else time.perf_counter() + budget
        settled = len(self._html)
        behind = True
        while behind:
            if not self._pieces:
                more = self._feed(text)
                self._pieces.extend(self._splitter.next(ended=ended and not more))
                behind = more or bool(self._pieces)
            if self._pieces:
                self._settle(self._pieces.popleft())
            if time.perf_counter() > deadline:
                break
        html = "".join(self._html[settled:])
        if behind:
            return self._part(html, "" if html else self._tail)
        if not ended:
            return self._part(html, self._draft())
        if not self._resolve(deadline):
            return self._part(html, "")
        self.done = True
        return self.whole() if self._links.resolved else self._part(html, "")

    def whole(self) -> Part:
        """All that has been drawn, for a page that has nothing of it."""
        html = "".join(self._html)
        self._num_sent = 1 if html else 0
        return Part(0, html, 0, self._tail)

    def _feed(self, text: str) -> bool:
        """Whether there is more text than is taken at once."""
        if len(self._splitter.rest) <= _FED_AT_ONCE:
            new = text[self._num_read : self._num_read + _FED_AT_ONCE]
            self._num_read += len(new)
            self._splitter.feed(self._cleaner.clean(new))
        return self._num_read < len(text)

    def _settle(self, piece: Piece) -> None:
        if piece.plain:
            self._html.append(render_plain(piece.text))
            return
        self._links.lacking = set()
        self._html.append(render_block(piece.text, self._links))
        if self._links.lacking:
            self._lacking[len(self._html) - 1] = (piece, self._links.lacking)

    def _resolve(self, deadline: float) -> bool:
        """Draws blocks again whose links were defined after them. Whether all of it is done."""
        for position, (piece, lacking) in list(self._lacking.items()):
            if not lacking.isdisjoint(self._links):
                self._html[position] = render_block(piece.text, self._links)
                self._links.resolved = True
            del self._lacking[position]
            if time.perf_counter() > deadline:
                break
        return not self._lacking

    def _draft(self) -> str:
        splitter = self._splitter
        window = splitter.window()
        if splitter.is_plain:
            return render_plain(window) if window else ""
        text = draft(splitter.prefix + window)
        return render_block(text, dict(self._links), growing=True) if text else ""

    def _part(self, html: str, tail: str) -> Part | None:
        if not html and tail == self._tail:
            return None
        keep = 0 if html else _common(self._tail, tail)
        part = Part(self._num_sent, html, _utf16(tail[:keep]), tail[keep:])
        self._tail = tail
        self._num_sent += bool(html)
        return part


class _Links(dict[str, Any]):
    """The links defined so far, by label; remembers which were looked up in vain."""

    lacking: set[str]
    resolved = False
    """Whether one was found later."""

    def get(self, label: str, default: Any = None) -> Any:
        if label not in self:
            self.lacking.add(label)
        return super().get(label, default)


def render(text: str) -> str:
    """HTML of the whole answer `text`; safe whatever `text` is."""
    stream = AnswerStream()
    stream.update(text, ended=True, budget=None)
    return stream.whole().html


def _common(before: str, after: str) -> int:
    """How many characters both begin with."""
    low, high = 0, min(len(before), len(after))
    while low < high:
        middle = (low + high + 1) // 2
        if before.startswith(after[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low


def _utf16(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
