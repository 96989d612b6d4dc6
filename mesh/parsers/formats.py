"""What every way of writing calls has in common."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rostra.mesh.errors import RostraError
from rostra.mesh.grammar import JSON_OPTIONS
from rostra.mesh.parsers.json_text import Call
from rostra.mesh.parsers.reader import Reader, Steps

Tools = Mapping[str, Mapping[str, Any]]
"""The JSON schema of the arguments, by the tool's name. Empty: any object."""

Marker = Callable[[str], str]
"""From a marker's text to a term of a Lark grammar: a special token, or a string."""


class ToolFormat(Protocol):
    """How models of one family write calls.

    A call is one only when it is whole: written by the rules of its format, its name that of a tool
    on offer, its arguments a JSON object. Everything else is content, with its markup, as the model
    wrote it. Reading goes on at the character where an attempt failed.
    """

    name: str
    special_tokens: tuple[str, ...]
    """Markers that are special tokens in vocabularies, whose text is needed all the same."""
    trigger: str
    """The marker that begins a call and nothing else; empty where calls begin like text."""
    text: str
    """A regular expression for an output without a call, where there is no trigger."""

    def read(self, reader: Reader, tools: Tools) -> Steps[None]:
        """Reads until no call can follow. What is still held then is content."""
        ...

    def write(self, calls: Sequence[Call]) -> str:
        """Calls as the model would have written them, for templates that do not know of calls."""
        ...

    def grammar(self, tools: Tools, marker: Marker, *, several: bool) -> str:
        """Lark rules, of which `calls` is one call of one of the tools, or several in a row.

        `marker` is asked for the trigger only where a call, or a row of calls, begins. Raises
        ParametersError.
        """
        ...

    def describe(self) -> str:
        """Tells a model how to write a call, for templates that do not."""
        ...


class ParametersError(RostraError):
    """A format that writes each argument by itself cannot write what a schema asks for."""


@dataclass(frozen=True)
class Parameter:
    name: str
    schema: dict[str, Any]
    """Complete in itself: definitions it refers to are in it."""
    required: bool


_PARAMETER_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_DEFINITIONS = ("$defs", "definitions")
# Keywords of a schema of arguments that say no more than its properties do.
_SIMPLE = {
    *("type", "properties", "required", "additionalProperties", "unevaluatedProperties"),
    *("title", "description", "$schema", "$id", "$comment", "examples", "default", "strict"),
    *_DEFINITIONS,
}


def read_parameters(schema: Mapping[str, Any]) -> list[Parameter]:
    """The parameters in the schema's order. Raises ParametersError."""
    for keyword in schema.keys() - _SIMPLE:
        raise ParametersError(f"{keyword} beside properties cannot be followed by this model")
    definitions = {key: schema[key] for key in _DEFINITIONS if key in schema}
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise ParametersError("required must be a list of names")
    properties = schema.get("properties", {}) | {
        name: {} for name in required if name not in schema.get("properties", {})
    }
    parameters = []
    for name, value in properties.items():
        if not _PARAMETER_NAME.fullmatch(name):
            raise ParametersError(f"a parameter cannot be named {name!r} with this model")
        own = {**definitions, **value} if isinstance(value, Mapping) else {}
        parameters.append(Parameter(name, own, name in required))
    return parameters


def quote(text: str) -> str:
    """A string of a Lark grammar."""
    return _not_gbnf(json.dumps(text))


def json_rule(schema: Mapping[str, Any]) -> str:
    """A term of a Lark grammar that matches values of a schema, which has no `x-guidance`."""
    return f"%json {_not_gbnf(json.dumps({**schema, 'x-guidance': JSON_OPTIONS}))}"


def _not_gbnf(text: str) -> str:
    """The same JSON without what would make the grammar around it look like one in GBNF."""
    return text.replace("::=", "\\u003a:=")


def arguments_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments are an object, also where their schema leaves that open."""
    return {**schema, "type": "object"}


def object_rules(rule: str, tools: Tools, key: str) -> str:
    """Lark rules of an object such as `{"name": "f", "arguments": {}}`, where `key` is "arguments".

    Each schema is the root of its own document, which its references count from.
    """
    names = [f"{rule}_{index}" for index in range(len(tools))]
    rules = [f"{rule}: {' | '.join(names)}"]
    for own, (name, schema) in zip(names, tools.items(), strict=True):
        head = quote(f'{{"name": {json.dumps(name)}, "{key}": ')
        rules.append(f'{own}: {head} {json_rule(arguments_schema(schema))} "}}"')
    return "\n".join(rules) + "\n"
