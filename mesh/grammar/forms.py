"""What callers can ask outputs to follow, as texts of llguidance grammars.

The texts are JSON objects `{"grammars": [...]}` as the library's `TopLevelGrammar` has them. Making
one does not say whether it can be followed: compiling it does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llguidance import LLMatcher
from llguidance.gbnf_to_lark import any_to_lark

from rostra.mesh.grammar.errors import GrammarError
from rostra.mesh.grammar.limits import MAX_LITERAL_BYTES, MAX_SOURCE_BYTES

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

WHITESPACE = r" |\n {0,20}"
"""Where JSON allows whitespace: none, a space, or a line break and an indent. Without a bound, a
model that likes whitespace better than the next token would write nothing else to the end."""

JSON_OPTIONS: JsonCompileOptions = {
    "whitespace_pattern": WHITESPACE,
    "lenient": False,
    "coerce_one_of": False,
}
"""How JSON is written, whatever the schema; for the key `x-guidance` of a schema in a `%json` rule.

A schema with a keyword that the library cannot honour is refused, and not followed in part."""

_LITERAL = re.compile(r'"((?:[^"\\\n]|\\[^\n])*+)"?|/((?:[^/\\\n]|\\[^\n])*+)/?')
"""A string or expression of a grammar or a schema, to its end or that of the line."""

_VALUES = ("const", "enum", "default", "examples")
"""Keywords of JSON Schema that hold no schemas."""

_RULE_OPTION = re.compile(
    r"^[?!]?[A-Za-z_][\w-]*\s*\[[^\]\n]*\b(temperature|stop)\s*=", re.MULTILINE
)


def json_schema(text: str) -> str:
    """JSON values that a JSON Schema (draft 2020-12, or the one it names) admits.

    Raises GrammarError where `text` is no JSON object, is too long, or sets `x-guidance`.
    """
    _check_size(text)
    _check_literals(text)
    try:
        schema = json.loads(text)
    except RecursionError:
        raise GrammarError("the schema is nested too deeply") from None
    except ValueError as error:
        raise GrammarError(f"the schema is no JSON: {error}") from error
    if not isinstance(schema, dict):
        raise GrammarError("the schema must be a JSON object")
    if "x-guidance" in schema:
        raise GrammarError("the schema has the key x-guidance; how JSON is written is not settable")
    _check_counted_keys(schema)
    try:
        return LLMatcher.grammar_from_json_schema(text, overrides=JSON_OPTIONS)
    except ValueError as error:
        raise GrammarError(f"the schema is no JSON: {error}") from error


def json_object() -> str:
    """Any JSON object."""
    return json_schema('{"type": "object"}')


def regex(pattern: str) -> str:
    """Texts that the expression matches from end to end.

    The syntax is that of Rust's `regex` crate, without look-around, word boundaries and
    backreferences. Raises GrammarError for one that is too long.
    """
    _check_size(pattern, MAX_LITERAL_BYTES)
    return LLMatcher.grammar_from_regex(pattern)


def choices(values: Sequence[str]) -> str:
    """One of these strings. Raises GrammarError for none, or too many."""
    if not values:
        raise GrammarError("there must be at least one choice")
    return lark("start: " + " | ".join(json.dumps(value) for value in values))


def lark(source: str) -> str:
    """Texts that a grammar in Lark's syntax as the library knows it derives from `start`.

    One in llama.cpp's GBNF or a similar EBNF (rules written with `::=`, from `root`) is converted.
    Raises GrammarError for one that is too long, cannot be converted, or has options that act on
    sampling or take tokens back.
    """
    _check_size(source)
    if "::=" in source:
        source = _from_gbnf(source)
    _check_literals(source)
    if option := _RULE_OPTION.search(source):
        raise GrammarError(f"the option {option[1]} of a rule is not supported")
    return json.dumps({"grammars": [{"lark_grammar": source}]})


def _from_gbnf(source: str) -> str:
    try:
        return str(any_to_lark(source))
    except RecursionError:
        raise GrammarError("the grammar is nested too deeply") from None
    except Exception as error:  # the converter's own descend from Exception alone
        raise GrammarError(f"the grammar cannot be converted from GBNF: {error}") from error


def _check_counted_keys(schema: Any) -> None:
    """The library keeps no count of different keys: of those that a schema does not name, a model
    may write one twice, which counts once."""
    nodes = [schema]
    while nodes:
        node = nodes.pop()
        if isinstance(node, list):
            nodes += node
        elif isinstance(node, dict):
            least, required = node.get("minProperties"), node.get("required")
            named = len(required) if isinstance(required, list) else 0
            if isinstance(least, int) and least > named + 1:
                raise GrammarError(
                    f"minProperties is {least} with {named} required: at most one more than are "
                    "required can be guaranteed"
                )
            nodes += [value for key, value in node.items() if key not in _VALUES]


def _check_size(text: str, most: int = MAX_SOURCE_BYTES) -> None:
    size = len(text.encode())
    if size > most:
        raise GrammarError(f"has {size} bytes, and at most {most} are taken")


def _check_literals(source: str) -> None:
    for literal in _LITERAL.finditer(source):
        length = len((literal[1] or literal[2] or "").encode())
        if length > MAX_LITERAL_BYTES:
            raise GrammarError(
                f"has a string of {length} bytes, and at most {MAX_LITERAL_BYTES} are taken"
            )
