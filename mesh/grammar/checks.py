"""Finds out whether a grammar can be followed, before a request waits for it."""

from __future__ import annotations

from functools import lru_cache

from llguidance import LLMatcher

from rostra.mesh.grammar.errors import GrammarError, one_line
from rostra.mesh.grammar.limits import LIMITS

_REMEMBERED = 256


def check(grammar: str) -> None:
    """Raises GrammarError with the library's reason; for any thread.

    Takes up to some seconds for the largest that the limits let pass, and lets other threads run
    meanwhile. What was found is remembered for the grammars seen last.
    """
    reason = _reason(grammar)
    if reason is not None:
        raise GrammarError(reason)


@lru_cache(maxsize=_REMEMBERED)
def _reason(grammar: str) -> str | None:
    is_error, messages = LLMatcher.validate_grammar_with_warnings(grammar, limits=LIMITS)
    return one_line(messages[0]) if is_error else None
