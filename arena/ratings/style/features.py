"""What is counted in an answer.

    length   tokens: the count stored with the answer where there is one, else `TOKENS` below
    headers  headings, ATX (`# a`) and setext (underlined)
    lists    list items, ordered and unordered, at any depth
    bold     strong emphasis, `**a**` and `__a__`
    code     blocks of code, fenced or indented
    emoji    emoji outside code, a sequence that is drawn as one picture counting once

Markdown is parsed as CommonMark 0.31, which is what voters saw. FastChat
(`fastchat/serve/monitor/add_markdown_info.py`) counts lines and marks by regular expressions, after
taking out what stands between two runs of three backticks. Where the two differ:

- a fence with tildes, with backticks inside, or never closed is code here and text there;
- code in backticks within a line, an indented block and an escaped mark (`\\#`, `\\*`) are not
  counted here, and are there;
- a setext heading counts here; `#` without a following space in neither;
- `#` or `-` indented by four columns or more is code or a continued paragraph here;
- an ordered item counts with `1)` as with `1.` here; one that is not 1 does not interrupt a
  paragraph here;
- bold over two lines counts here; `**` beside a space (`2 ** 3 ** 4`) does not;
- a line `* * *` is a rule here and a list item there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl
from markdown_it import MarkdownIt
from markdown_it.token import Token

from rostra.arena.ratings.frame import COUNTED, Votes

BATCH = 20_000
"""Votes whose texts are in memory at one time."""

_MARKDOWN = MarkdownIt("commonmark", {"html": False})

TOKENS = (
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
    r"|[\p{L}\p{M}]+|\p{N}{1,3}|[^\s\p{L}\p{M}\p{N}]"
)
"""Tokens without a tokenizer: a word, up to three digits, a mark, or a character of a script that
is written without spaces, each counts as one."""

EMOJI = (
    r"[0-9#*]\x{FE0F}?\x{20E3}|[\x{1F1E6}-\x{1F1FF}]{2}|"
    r"(?:\p{Emoji_Presentation}|\p{Extended_Pictographic}\x{FE0F})\p{Emoji_Modifier}?[\x{E0020}-\x{E007F}]*"
    r"(?:\x{200D}\p{Extended_Pictographic}\x{FE0F}?\p{Emoji_Modifier}?)*"
)
"""Emoji sequences as in Unicode Technical Standard 51: keycaps, flags, modifiers, joined ones."""

_MARKUP = r"[#*_`~=\-+>]|\d[.)]|(?m:^(?: {4}|\t))"
"""Without any of these a text has no headings, lists, bold or code, and need not be parsed."""


class Counts(NamedTuple):
    headers: int
    lists: int
    bold: int
    code: int
    prose: str
    """The text outside code."""


def count(text: str) -> Counts:
    """Counts what the Markdown `text` shows."""
    tokens = _MARKDOWN.parse(text)
    types = [token.type for token in _flat(tokens)]
    return Counts(
        headers=types.count("heading_open"),
        lists=types.count("list_item_open"),
        bold=types.count("strong_open"),
        code=types.count("fence") + types.count("code_block"),
        prose="\n".join(token.content for token in _flat(tokens) if token.type == "text"),
    )


def _flat(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from token.children or ()


def measured(texts: pl.Series, names: Sequence[str]) -> pl.DataFrame:
    """The features `names` of each answer, Int64, null where the text is. Each text is read once.

    `length` here is always the count by `TOKENS`.
    """
    unique = texts.unique().drop_nulls()
    columns: dict[str, pl.Series] = {"text": unique}
    if "length" in names:
        columns["length"] = unique.str.count_matches(TOKENS)
    if any(name in COUNTED for name in names):
        marked = unique.str.contains(_MARKUP)
        counts = [
            count(text) if has else Counts(0, 0, 0, 0, text)
            for text, has in zip(unique, marked, strict=True)
        ]
        parsed = pl.DataFrame(counts, schema=Counts._fields, orient="row")
        columns |= {name: parsed[name] for name in COUNTED if name != "emoji"}
        columns["emoji"] = parsed["prose"].cast(pl.String).str.count_matches(EMOJI)
    table = pl.DataFrame(columns).with_columns(pl.col(names).cast(pl.Int64))
    return (
        texts.to_frame("text").join(table, on="text", how="left", maintain_order="left")
    ).select(names)


def with_features(votes: Votes, names: Sequence[str]) -> pl.LazyFrame:
    """The votes with `tokens_` and counted columns for the features `names`, without the texts.

    What a column holds already is kept; a null in it, or a column that is absent, is filled from
    the text where there is one. Texts of a lazy frame are read `BATCH` votes at a time.
    """
    lazy = votes.lazy()
    if not any(name.startswith("text_") for name in lazy.collect_schema()):
        return lazy
    parts = [
        _filled(part, names) for part in lazy.collect_batches(chunk_size=BATCH, maintain_order=True)
    ]
    return (pl.concat(parts) if parts else _filled(lazy.collect(), names)).lazy()


def _filled(votes: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    for side in ("left", "right"):
        text = f"text_{side}"
        if text not in votes.columns:
            continue
        columns = {name: f"{'tokens' if name == 'length' else name}_{side}" for name in names}
        lacking = [
            name
            for name, column in columns.items()
            if column not in votes.columns or votes[column].has_nulls()
        ]
        found = measured(votes[text], lacking)
        votes = votes.with_columns(
            (
                votes[columns[name]].fill_null(found[name])
                if columns[name] in votes.columns
                else found[name]
            ).alias(columns[name])
            for name in lacking
        )
    return votes.drop("text_left", "text_right", strict=False)
