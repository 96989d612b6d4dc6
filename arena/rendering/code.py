"""Code to highlighted HTML: class names only, so that the page's theme colours it."""

from __future__ import annotations

import re
from functools import cache
from itertools import groupby, islice

from markupsafe import escape
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Error, Token, _TokenType
from pygments.util import ClassNotFound

MOST_CHARACTERS = 8_192
MOST_TOKENS = 1_500
"""The code behind them is not highlighted."""
MOST_GROWING = 2_048
"""Characters of code that is still written: it is told apart anew with each update."""
MOST_ERRORS = 50
"""Characters that have no place in the language; what follows them is not highlighted. A lexer may
have looked to the end of the code for each of them."""
LONGEST_LINE = 400
"""Code with longer lines is not highlighted: data rather than code, and slow to tell apart."""

# What lexers look through again from each of its characters, for an end that does not come: blank
# lines, words with nothing between them (the types before the name of a method), escaped quotes,
# comments that are opened again and again.
_EMPTY = re.compile(r"\s{200}")
_BETWEEN_WORDS = re.compile(r"[^\w\s.\[\]$<>?]")
_ESCAPED_QUOTE = re.compile(r"\\[\"'`]")
MOST_OPENED = 30
MOST_WORDS = 30
MOST_ESCAPED_QUOTES = 100

PREFIX = "c-"
# Several hundred token types of Pygments, coloured as ten.
_KINDS = {
    Token.Comment: "comment",
    Token.Comment.Preproc: "keyword",
    Token.Keyword: "keyword",
    Token.Keyword.Type: "type",
    Token.Operator.Word: "keyword",
    Token.Name.Builtin: "builtin",
    Token.Name.Class: "type",
    Token.Name.Exception: "type",
    Token.Name.Function: "function",
    Token.Name.Decorator: "function",
    Token.Name.Tag: "keyword",
    Token.Name.Attribute: "builtin",
    Token.Literal.String: "string",
    Token.Literal.Number: "number",
    Token.Generic.Deleted: "deleted",
    Token.Generic.Inserted: "inserted",
    Token.Generic.Heading: "keyword",
    Token.Generic.Subheading: "keyword",
}
CLASSES = frozenset(PREFIX + kind for kind in _KINDS.values())
"""Every class name that highlighting gives out."""

# Lexers whose time grows with the length of the code and no faster, within the bounds above.
LANGUAGES = frozenset(
    "bash c cpp csharp css dart diff docker elixir go graphql haskell html http ini java "
    "javascript json julia kotlin lua make matlab nginx ocaml perl php powershell protobuf python "
    "r ruby rust scala sql swift terraform toml typescript xml yaml zig".split()
)
_ALSO = {
    "shell": "bash",
    "sh": "bash",
    "zsh": "bash",
    "console": "bash",
    "py": "python",
    "python3": "python",
    "js": "javascript",
    "jsx": "javascript",
    "ts": "typescript",
    "tsx": "typescript",
    "c++": "cpp",
    "cs": "csharp",
    "c#": "csharp",
    "golang": "go",
    "rs": "rust",
    "kt": "kotlin",
    "rb": "ruby",
    "yml": "yaml",
    "dockerfile": "docker",
    "makefile": "make",
    "hcl": "terraform",
    "tf": "terraform",
    "hs": "haskell",
    "ps1": "powershell",
    "proto": "protobuf",
    "postgresql": "sql",
    "mysql": "sql",
    "sqlite": "sql",
    "svg": "xml",
    "conf": "ini",
}


@cache
def _lexer(language: str) -> Lexer | None:
    name = _ALSO.get(language, language)
    if name not in LANGUAGES:
        return None
    try:
        return get_lexer_by_name(name, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


@cache
def _class(kind: _TokenType) -> str | None:
    while kind is not Token:
        if kind in _KINDS:
            return PREFIX + _KINDS[kind]
        kind = kind.parent
    return None


def load_lexers() -> None:
    """All of them, so that nobody waits for that while they ask: Scala's takes as long to import as
    25 updates of an answer, and all voters of the process would wait for it. Blocks for a second,
    a lexer at a time."""
    for language in sorted(LANGUAGES):
        _lexer(language)


def highlight(code: str, language: str, *, growing: bool = False) -> str:
    """Safe HTML of `code`; plain where the language is unknown, or telling its words apart would
    take long. `growing`: it is still written, and drawn again soon."""
    lexer = _lexer(language.lower())
    code = code.removeprefix("\ufeff")  # as lexers do
    head = code[: MOST_GROWING if growing else MOST_CHARACTERS]
    if (
        lexer is None
        or max(map(len, head.split("\n"))) > LONGEST_LINE
        or _EMPTY.search(head)
        or max(len(run.split()) for run in _BETWEEN_WORDS.split(head)) > MOST_WORDS
        or len(_ESCAPED_QUOTE.findall(head)) > MOST_ESCAPED_QUOTES
        or head.count("/*") - head.count("*/") > MOST_OPENED
    ):
        return str(escape(code))
    tokens: list[tuple[str | None, str]] = []
    num_errors = 0
    for kind, text in islice(lexer.get_tokens(head), MOST_TOKENS):
        tokens.append((_class(kind), text))
        num_errors += kind is Error
        if num_errors > MOST_ERRORS:
            break
    parts = []
    for name, run in groupby(tokens, key=lambda token: token[0]):
        text = str(escape("".join(text for _, text in run)))
        parts.append(f'<span class="{name}">{text}</span>' if name else text)
    parts.append(str(escape(code[sum(len(text) for _, text in tokens) :])))
    return "".join(parts)
