"""What the emitter says, so that a reader can tell whether all of it arrived in order."""

from __future__ import annotations

MODEL = "emitter"


def pieces(tokens: int, per_message: int) -> list[str]:
    """An answer of so many tokens; the text of a token is its number."""
    words = [f" {number}" for number in range(tokens)]
    return ["".join(words[start : start + per_message]) for start in range(0, tokens, per_message)]
