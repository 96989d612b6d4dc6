"""Grammars that the output must follow, which several endpoints take."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import orjson

from rostra.gateway.schemas.structured import Grammar
from rostra.v1.sampling_pb2 import Choices, StructuredOutput

_FIELD = re.compile(r"structured_output(?:\.\w+)?(?:\.values)?(\[\d+\])?")


def json_schema(schema: dict[str, Any]) -> StructuredOutput:
    return StructuredOutput(json_schema=orjson.dumps(schema).decode())


def json_object() -> StructuredOutput:
    return StructuredOutput(json_object=True)


def regex(pattern: str) -> StructuredOutput:
    """The whole output matches the pattern."""
    return StructuredOutput(regex=pattern)


def choices(values: Iterable[str]) -> StructuredOutput:
    return StructuredOutput(choices=Choices(values=values))


def grammar(source: str) -> StructuredOutput:
    return StructuredOutput(lark=source)


def structured_output(wanted: Grammar | None) -> StructuredOutput | None:
    if wanted is None:
        return None
    match wanted.kind:
        case "json_schema":
            return json_schema(wanted.value)
        case "json_object":
            return json_object()
        case "regex":
            return regex(wanted.value)
        case "choice":
            return choices(wanted.value)
        case "grammar":
            return grammar(wanted.value)


def grammar_name(wanted: Grammar | None, field: str) -> str:
    """The REST field behind one of `structured_output`; other fields keep their name."""
    match = _FIELD.fullmatch(field)
    return wanted.field + (match[1] or "") if match and wanted else field
