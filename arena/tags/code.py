"""Whether a question is about code: rules, by marks and by words.

It is when one of these holds:
 - it has a fenced block that is marked as a programming language;
 - a line of it, or a piece of inline code, has the shape of code (a definition, an import, a call
   that ends in a semicolon, an HTML tag, a traceback), or it names an exception;
 - it has a term that means nothing else (`CODE_CERTAIN`);
 - it has a thing of programming (`CODE_THINGS`) beside the name of a language that is a word or a
   place too (Java, Rust, Go), or beside a verb of programming;
 - both answers have a fenced block that is marked as a programming language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rostra.arena.tags.exchange import Exchange, answers, prompts
from rostra.arena.tags.terms import CODE_CERTAIN, CODE_LANGUAGES, CODE_THINGS, CODE_VERBS, words

_FENCE = re.compile(r"^ *(?:`{3,}|~{3,})[ \t]*([\w+#.-]*)", re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_NO_LANGUAGE = frozenset({"", "text", "txt", "markdown", "md", "plaintext", "latex", "tex", "math"})
_SHAPES = re.compile(
    r"""
      ^\s*(?:async\s+)?def\s+\w+\s*\(                     # Python
    | ^\s*class\s+\w+\s*[:({]
    | ^\s*for\s+\w+\s+in\s+.+:\s*$
    | \b(?:while|if|elif)\s[^.?!\n]+:\s*\w+\s*(?:=|\()
    | \b(?:print|printf|console\.log|println)\(
    | ^\s*\w+\s*=\s*[\[{(]
    | ^\s*(?:from\s+[\w.]+\s+)?import\s+[\w.{}*,\s]+(?:;|$|\sas\s)
    | ^\s*\#include\s*[<"]                                # C and its kin
    | ^\s*(?:public|private|protected|static)\s+\w+.*[({;]
    | \b(?:for|while|if)\s*\([^)]*(?:;|[<>=!]=|\+\+)
    | \b(?:const|let|var)\s+\w+\s*=
    | \bfunction\s+\w*\s*\([^)]*\)\s*\{
    | =>\s*[{(]
    | \b\w+\([^()\n]*\);
    | \bSELECT\b.+\bFROM\b | \bCREATE\s+TABLE\b | \bINSERT\s+INTO\b
    | </?(?:div|span|html|body|script|style|form|input|button|table|ul|li|a|p)\b[^>\n]*>
    | Traceback\ \(most\ recent | \bat\s+[\w.$]+\([\w.]+:\d+\)
    | ^\s*\$\s+(?:sudo|pip|npm|git|cd|ls|docker|curl)\s
    | \{\s*"[\w-]+"\s*:\s*                                # JSON
    | \b[A-Z]\w*(?:Error|Exception)\b
    """,
    re.MULTILINE | re.VERBOSE,
)


def is_code(turns: Sequence[Exchange]) -> bool:
    asked = prompts(turns)
    return _asks(asked) or all(_has_block(answers(turns, side)) for side in ("a", "b"))


def _asks(text: str) -> bool:
    if _has_block(text) or _SHAPES.search(text):
        return True
    if any(_SHAPES.search(piece) for piece in _INLINE.findall(text)):
        return True
    if words(CODE_CERTAIN).search(text):
        return True
    beside = (words(CODE_LANGUAGES, capital=True), words(CODE_VERBS))
    return bool(words(CODE_THINGS).search(text)) and any(term.search(text) for term in beside)


def _has_block(text: str) -> bool:
    return any(mark.lower() not in _NO_LANGUAGE for mark in _FENCE.findall(text))
