"""What is shown of a block that is still written: nothing that would turn into something else.

A word in bold is bold from its first letter: what is open is closed behind the last character. A
link, a formula or the head of a table cannot be told before its end: it is held back until then.
"""

from __future__ import annotations

import re

from rostra.arena.rendering.delimiters import formula
from rostra.arena.rendering.markdown import blocks

HELD = 400
"""Characters. What is held back for longer is shown as it stands."""
MOST_MARKS = 300
"""Marks of emphasis, links and the like in a paragraph; one with more is shown as it stands."""

# A line of which nothing but marks is there yet: a list's bullet, a fence, a rule, a number.
_MARKS_ONLY = re.compile(r"[ \t]*(?:[-+*=_#~`|:$\\>!<\[ ]|\d{1,9}(?:[.)] *)?$)*")
_FENCE = re.compile(r"[ >]*(?:[-+*] +|\d{1,9}[.)] +)*(?:`{3,}[^`]*|~{3,}.*)")
_FENCE_MARKS = re.compile(r"[ >]*[`~]{1,}")
# Until its first row is whole: its columns are as wide as head and first row make them.
_HEAD = re.compile(r" {0,3}\|[^\n]*(?:\n[-|: ]*(?:\n[^\n]*)?)?")
_MARK = re.compile(r"[\\`$\[!*_~<&]")
_ENTITY = re.compile(r"&#?\w{0,10}")
_CLOSERS = {r"\(": r"\)", r"\[": r"\]"}


def draft(text: str) -> str:  # noqa: PLR0911
    """The Markdown to draw for `text`, the last block of an answer and perhaps not all of it."""
    before, newline, line = text.rpartition("\n")
    if line and (_MARKS_ONLY.fullmatch(line) or _FENCE.fullmatch(line)) and not _in_code(before):
        text = before + newline
    tokens = blocks(text)
    cut = next((token for token in tokens if token.meta.get("goes_on")), None)
    if cut is not None and cut.map and cut.level == 0:
        return text[: _offset(text, cut.map[1])]
    leaf = next((token for token in reversed(tokens) if token.nesting == 0), None)
    if leaf is None or leaf.map is None:
        return text
    start = _offset(text, leaf.map[0])
    if leaf.type == "math_open":
        return text if len(text) - start > HELD else text[:start]
    if leaf.type == "fence" and _FENCE_MARKS.fullmatch(line) and leaf.content.endswith(line):
        return before + newline
    if leaf.type != "inline":
        return text
    block = next(token for token in reversed(tokens) if token.level == 0 and token.map)
    whole = _offset(text, block.map[0] if block.map else 0)
    if _HEAD.fullmatch(text, whole) and len(text) - whole < HELD:
        return text[:whole]
    if block.type == "table_open" and line and len(line) < HELD:
        return before + newline
    return text[:start] + _closed(text[start:])


def _in_code(text: str) -> bool:
    tokens = blocks(text + "\n")
    return bool(tokens) and any(t.type == "fence" for t in tokens[-1:]) and _is_open(tokens[-1])


def _is_open(fence: object) -> bool:
    # A closed fence has one line more than its content, besides the one that opens it.
    first, last = fence.map  # type: ignore[attr-defined]
    return bool(last - first < fence.content.count("\n") + 2)  # type: ignore[attr-defined]


def _offset(text: str, line: int) -> int:
    position = 0
    for _ in range(line):
        position = text.index("\n", position) + 1
    return position


def _closed(text: str) -> str:
    """The paragraph `text` without what cannot be told yet, and with what is open closed."""
    if len(_MARK.findall(text)) > MOST_MARKS:
        return text
    open_marks: list[str] = []
    position = 0
    while match := _MARK.search(text, position):
        start = match.start()
        rest = text[start:]
        if match[0] in "*_~":
            run = _run(text, start)
            if start + run == len(text):
                return _with(text[:start], open_marks)
            _emphasis(text, start, run, open_marks)
            position = start + run
            continue
        if match[0] == "`":
            run = _run(text, start)
            end = _closing_run(text, start + run, run)
            if end < 0:
                shown = text[:start] if start + run == len(text) else text + "`" * run
                return _with(shown, open_marks)
            position = end
            continue
        length = _length(text, start)
        if length == 0 and len(rest) <= HELD:
            return _with(text[:start], open_marks)
        position = start + max(1, length)
    return _with(text, open_marks)


def _with(text: str, open_marks: list[str]) -> str:
    return text.rstrip() + "".join(reversed(open_marks)) if open_marks else text


def _run(text: str, start: int) -> int:
    return len(text) - start - len(text[start:].lstrip(text[start]))


def _closing_run(text: str, position: int, length: int) -> int:
    """Where code closed by so many backticks ends; -1 where it is open."""
    while (position := text.find("`", position)) >= 0:
        run = _run(text, position)
        position += run
        if run == length:
            return position
    return -1


def _emphasis(text: str, start: int, run: int, open_marks: list[str]) -> None:
    mark = text[start : start + run]
    before, after = text[start - 1 : start], text[start + run]
    within_word = before.isalnum() and after.isalnum()
    if (mark[0] == "~" and run != 2) or (mark[0] == "_" and within_word):
        return
    if open_marks and open_marks[-1] == mark and before and not before.isspace():
        open_marks.pop()
    elif not after.isspace() and run <= 3:
        open_marks.append(mark)


def _length(text: str, start: int) -> int:  # noqa: PLR0911
    """Characters of the link, formula, escape or entity at `start`; 0 where its end is to come."""
    mark = text[start]
    if mark == "\\":
        two = text[start : start + 2]
        if two in _CLOSERS:
            end = text.find(_CLOSERS[two], start + 2)
            return end + 2 - start if end >= 0 else 0
        return 2 if len(two) == 2 else 0
    if mark == "$":
        if found := formula(text, start):
            return found[2] - start
        following = text[start + 1 : start + 2]
        plausible = not text[start - 1 : start].isalnum() and not following.isspace()
        return 0 if plausible and not following.isdigit() and "$" not in text[start + 2 :] else 1
    if mark == "!":
        return 0 if start + 1 == len(text) else 1
    if mark == "[":
        return _length_of_link(text, start)
    if mark == "<":
        return 0 if re.fullmatch(r"<(?:h|ht|htt|https?(?::[^\s>]*)?)?", text[start:]) else 1
    return 0 if _ENTITY.fullmatch(text, start) else 1


def _length_of_link(text: str, start: int) -> int:
    bracket = text.find("]", start)
    if bracket < 0 or bracket + 1 == len(text):
        return 0
    if text[bracket + 1] == "(":
        parenthesis = text.find(")", bracket)
        return parenthesis + 1 - start if parenthesis >= 0 else 0
    return 1
