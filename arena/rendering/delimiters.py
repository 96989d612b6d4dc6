r"""Where LaTeX stands in Markdown: `$..$`, `$$..$$`, `\(..\)`, `\[..\]` and bare environments.

The rules of Pandoc hold for single dollars, and one more: no letter or digit touches them from
outside. So `$5 and $10` and `$HOME:$PATH` are no formulas.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

_OPENER = re.compile(r"\$\$|\\\[|\\begin\{((?:equation|align|gather|multline|eqnarray)\*?)\}")
_CLOSERS = {"$$": "$$", r"\[": r"\]", r"\(": r"\)", "$": "$"}
_LONGEST_INLINE = 1_000
_DOLLAR = re.compile(r"(?<!\\)(?:\\\\)*\$")


def latex(markdown: MarkdownIt) -> None:
    """Adds tokens `math_inline` and `math_block` (content: the formula, markup: what opened it) and
    `math_open` (a block that began as a formula and never ended; content: all of it)."""
    interrupts: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    markdown.block.ruler.before("fence", "math_block", _block, interrupts)
    markdown.inline.ruler.before("escape", "math_inline", _inline)


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    first = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]].rstrip()
    opener = _OPENER.match(first)
    if not opener:
        return False
    environment = opener[1]
    closer = rf"\end{{{environment}}}" if environment else _CLOSERS[opener[0]]
    closes = first.find(closer, opener.end())
    if closes >= 0 and first[closes + len(closer) :].strip(" .,;"):
        return False  # text goes on after it: it is part of a paragraph
    if silent:
        return True
    line = start
    while closes < 0 and line + 1 < end:
        following = line + 1
        if state.isEmpty(following) or state.sCount[following] < state.blkIndent:
            break
        line = following
        closes = state.src.find(closer, state.bMarks[line], state.eMarks[line])
    state.line = line + 1
    written = state.getLines(start, line + 1, state.blkIndent, False).strip()
    token = state.push("math_block" if closes >= 0 else "math_open", "math", 0)
    token.block = True
    token.map = [start, line + 1]
    token.markup = opener[0]
    token.content = written
    if closes >= 0 and not environment:
        before, _, after = written[len(opener[0]) :].rpartition(closer)
        token.content, token.info = before.strip(), after.strip()
    return True


def _inline(state: StateInline, silent: bool) -> bool:
    found = formula(state.src, state.pos)
    if found is None:
        return False
    opener, content, end = found
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.markup = opener
        token.content = content
    state.pos = end
    return True


def formula(text: str, start: int) -> tuple[str, str, int] | None:
    """(opener, formula, end) of the formula within a paragraph that begins at `start`."""
    opener = text[start : start + 2]
    if opener[:1] == "$" and opener != "$$":
        opener = "$"
    if opener not in _CLOSERS:
        return None
    begin = start + len(opener)
    limit = begin + _LONGEST_INLINE
    if opener[0] == "\\":
        end = text.find(_CLOSERS[opener], begin, limit)
    else:
        end = _closing_dollars(text, begin, limit, opener)
    content = text[begin:end].strip() if end >= 0 else ""
    if not content:
        return None
    if opener == "$":
        before, after = text[max(0, start - 1) : start], text[end + 1 : end + 2]
        if before.isalnum() or after.isalnum() or text[begin].isspace() or text[end - 1].isspace():
            return None
    return opener, content, end + len(_CLOSERS[opener])


def _closing_dollars(text: str, begin: int, limit: int, opener: str) -> int:
    for match in _DOLLAR.finditer(text, begin, limit):
        end = match.end() - 1
        if opener == "$":
            return end
        if text.startswith("$$", end):
            return end
    return -1
