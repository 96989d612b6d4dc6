"""Tables of a bounded number of cells: a short line may ask for thousands of empty ones."""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.table import table

MOST_COLUMNS = 64
"""A table with more is shown as written."""
MOST_CELLS = 512
"""Below the head. The table ends before the row in which there would be more."""


def small_tables(markdown: MarkdownIt) -> None:
    """Bounds the tables of `markdown`. A `table_open` whose rows go on behind the last cell has the
    `meta` {"goes_on": True}."""
    options = {"alt": ["paragraph", "reference"]}
    markdown.block.ruler.at("table", _table, options)  # type: ignore[arg-type]


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if start + 2 > end:
        return False
    columns = _line(state, start + 1).strip("| \t").count("|") + 1
    if columns > MOST_COLUMNS:
        return False
    last = start + 2 + MOST_CELLS // columns
    opening = len(state.tokens)
    if not table(state, start, min(end, last), silent):
        return False
    if not silent:
        goes_on = state.line == last < end and "|" in _line(state, last)
        state.tokens[opening].meta = {"goes_on": goes_on}
    return True


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
