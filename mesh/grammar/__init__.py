"""Grammars that outputs must follow: made from what callers ask for, and checked. No torch here."""

from rostra.mesh.grammar.errors import FAILED_HALF_WAY, GrammarError
from rostra.mesh.grammar.forms import (
    JSON_OPTIONS,
    choices,
    json_object,
    json_schema,
    lark,
    regex,
)

__all__ = [
    "FAILED_HALF_WAY",
    "JSON_OPTIONS",
    "GrammarError",
    "choices",
    "json_object",
    "json_schema",
    "lark",
    "regex",
]
