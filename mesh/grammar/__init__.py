"""Grammars that outputs must follow: made from what callers ask for, and checked. No torch here."""

from rostra.mesh.grammar.errors import GrammarError
from rostra.mesh.grammar.forms import (
    JSON_OPTIONS,
    choices,
    json_object,
    json_schema,
    lark,
    regex,
)

__all__ = [
    "JSON_OPTIONS",
    "GrammarError",
    "choices",
    "json_object",
    "json_schema",
    "lark",
    "regex",
]
