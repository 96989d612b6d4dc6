"""What is wrong with a grammar, in one line."""

from __future__ import annotations

import re

from rostra.mesh.errors import RostraError

_LISTING = re.compile(r"^\s*(\d+ \|.*|[\^~\s]*)$")
"""A line of the source that the library quotes, or marks under it."""


class GrammarError(RostraError):
    """A schema, expression or grammar that cannot be followed."""


FAILED_HALF_WAY = "the grammar cannot be followed: "
"""How the reason begins where a grammar that compiles breaks a limit, or comes to a dead end, while
it is followed. It is the fault of who asked for it, not of the engine."""

_NO_TEXT = ("NoExtension", "NoExtensionBias")
"""The library's names for a parser that no byte leads on from."""


def one_line(reason: str) -> str:
    """The library's reason without the excerpts of the source that it comes with."""
    lines = [line.strip() for line in reason.splitlines() if not _LISTING.match(line)]
    # Of an expression: what is wrong with it, and not where in the text made from it.
    for line in lines:
        if line.startswith("error: "):
            return line.removeprefix("error: ")
    lines = [line for line in lines if line != "<non-verbose/>"]
    if lines and lines[0] in _NO_TEXT:
        return "no text follows the grammar from here on"
    return " ".join(lines) or "the grammar is not valid"
