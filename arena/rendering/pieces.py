"""A growing text, cut into blocks that never change again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import StringIO
from itertools import accumulate, islice

from rostra.arena.rendering.markdown import blocks

LONGEST_BLOCK = 8_192
MOST_LINES = 128
MOST_MARKS = 400
"""Characters, lines, and marks of emphasis, links, escapes and the like. A longer block is cut, so
that no step costs more than one of this size."""
LONGEST_CODE = 16_384
"""Characters. The same for a block of code, which costs less to parse."""
MOST_MARKDOWN = 262_144
"""Characters. What follows them is shown as it was written, which costs little."""

_FENCE = re.compile(r" {0,3}(?:(`{3,})[^`\n]*|(~{3,})[^\n]*)\n")
# An address costs what two marks do, wherever it stands.
_MARK = re.compile(r"[\\\[\]!*_`&<$~]|https?:|mailto:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the text that is drawn by itself."""

    text: str
    plain: bool = False
    """Whether it is shown as it was written."""


class Splitter:
    """Takes text as it comes and gives out pieces; where the text was cut on its way makes no
    difference to them.

    A block of CommonMark that is followed by another one on a complete line never changes again. A
    block that grows beyond `LONGEST_BLOCK` is cut between two items, two lines or two words; code
    goes on as code of the same language and a table under the same head.
    """

    def __init__(self) -> None:
        self.rest = ""
        """What is in no piece yet."""
        self.prefix = ""
        """Lines that go before `rest` wherever it is parsed: the fence or table it continues."""
        self._given = 0
        self._parsed = ""

    def feed(self, text: str) -> None:
        self.rest += text

    @property
    def is_plain(self) -> bool:
        """Whether `rest` is past the length that is read as Markdown."""
        return self._given >= MOST_MARKDOWN

    def next(self, *, ended: bool) -> list[Piece]:
        """The pieces that stand fast now; none when more text is needed. With `ended` the last
        ones are among them."""
        window = self.window()
        full = len(window) < len(self.rest)
        if self.is_plain:
            if not (full or (ended and window)):
                return []
            return [self._take(_last_break(window) if full else len(window), plain=True)]
        if ended and not full:
            return self._whole_blocks(window, keep_last=False)
        complete = window[: window.rfind("\n") + 1]
        if complete != self._parsed:
            self._parsed = complete
            if pieces := self._whole_blocks(complete, keep_last=True):
                return pieces
        return [self._cut(window)] if full else []

    def window(self) -> str:
        """As much of `rest` as is looked at at once."""
        if self.is_plain:
            return self.rest[:LONGEST_CODE]
        if fence := _FENCE.match(self.prefix or self.rest):
            end = self._end_of_code(fence[1] or fence[2], 0 if self.prefix else fence.end())
            if end is None:
                return self.rest[:LONGEST_CODE]
            return self.rest[:end] + _bounded(self.rest[end : end + LONGEST_BLOCK])
        return _bounded(self.rest[:LONGEST_BLOCK])

    def _end_of_code(self, fence: str, start: int) -> int | None:
        """Where the line ends that closes the code whose content is in `rest` from `start` on."""
        closing = re.compile(rf"^ {{0,3}}{fence}{fence[0]}*[ \t]*$\n?", re.MULTILINE)
        found = closing.search(self.rest, start, LONGEST_CODE)
        return found.end() if found else None

    def _whole_blocks(self, text: str, *, keep_last: bool) -> list[Piece]:
        if not text:
            return []
        parsed, before = self.prefix + text, len(self.prefix)
        starts = _starts(parsed)
        found = [
            (token, token.map)
            for token in blocks(parsed)
            if token.level == 0 and token.map is not None and token.nesting >= 0
        ]
        pieces = []
        taken = 0
        for i, (token, (first, last)) in enumerate(found, 1):
            if token.type == "table_open" and token.meta["goes_on"]:
                head = parsed[starts[first] : starts[first + 2]]
                pieces.append(self._take(starts[last] - before - taken, prefix=head))
                return pieces
            if i < len(found):
                end = starts[found[i][1][0]] - before
                pieces.append(self._take(end - taken))
                taken = end
        if not keep_last:
            pieces.append(self._take(len(text) - taken))
        return pieces

    def _take(self, length: int, *, plain: bool = False, prefix: str = "") -> Piece:
        piece = Piece(self.prefix + self.rest[:length], plain)
        self.rest = self.rest[length:]
        self.prefix = prefix
        self._given += length
        self._parsed = ""
        return piece

    def _cut(self, window: str) -> Piece:
        tokens = blocks(self.prefix + window)
        kind = tokens[0].type if tokens else ""
        lines = _lines(self.prefix + window)
        if kind == "fence":
            return self._take(_last_break(window), prefix=lines[0])
        if kind == "table_open":
            return self._take(_last_break(window), prefix="".join(lines[:2]))
        items = [
            token.map[0]
            for token in tokens
            if token.type == "list_item_open" and token.level == 1 and token.map
        ]
        if len(items) > 1:
            return self._take(sum(map(len, lines[: items[-1]])) - len(self.prefix))
        return self._take(_last_break(window))


def _lines(text: str) -> list[str]:
    """As the parser counts them; `str.splitlines` knows further separators, such as U+2028."""
    return StringIO(text, newline="\n").readlines()


def _starts(text: str) -> list[int]:
    """Where each line begins, and where the last one ends."""
    return [0, *accumulate(map(len, _lines(text)))]


def _bounded(text: str) -> str:
    """As much of `text` as is parsed at once."""
    lines = text.split("\n", MOST_LINES)
    if len(lines) > MOST_LINES:
        text = text[: len(text) - len(lines[-1])]
    beyond = next(islice(_MARK.finditer(text), MOST_MARKS, None), None)
    return text[: beyond.start()] if beyond else text


def _last_break(window: str) -> int:
    """Where to cut it: after a line, else after a word, else where it ends."""
    line = window.rfind("\n") + 1
    if line > len(window) // 2:
        return line
    return window.rfind(" ", len(window) - 200) + 1 or line or len(window)
