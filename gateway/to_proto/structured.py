"""Grammars that the output must follow, which several endpoints take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from rostra.v1.sampling_pb2 import Choices, StructuredOutput


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
