"""`[TOOL_CALLS]`: Mistral's models, in the two forms their tokenizers have had.

<https://github.com/mistralai/mistral-common>: up to version 7 a list of
`{"name": "f", "arguments": {}}`; from version 11 on `[TOOL_CALLS]f[ARGS]{}` for each call, at first
with `[CALL_ID]` and an id before `[ARGS]`. Some models leave `[ARGS]` out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rostra.mesh.parsers.formats import (
    Marker,
    Tools,
    arguments_schema,
    json_rule,
    object_rules,
    quote,
)
from rostra.mesh.parsers.json_text import Call, elements, read_call, read_value
from rostra.mesh.parsers.reader import Reader, Steps

BEGIN = "[TOOL_CALLS]"
CALL_ID = "[CALL_ID]"
ARGUMENTS = "[ARGS]"

_NAME = re.compile(r"[A-Za-z0-9_.-]*")


class Mistral:
    """Reads both forms, and writes the list."""

    name = "mistral"
    special_tokens: tuple[str, ...] = (BEGIN, CALL_ID, ARGUMENTS)
    trigger = BEGIN
    text = ""

    def read(self, reader: Reader, tools: Tools) -> Steps[None]:
        while (yield from reader.until(BEGIN)):
            yield from reader.spaces()
            if (yield from reader.peek()) == "[":
                calls = yield from _read_list(reader, tools)
            else:
                calls = yield from _read_named(reader, tools)
            if not calls:
                reader.text()
            for call in calls:
                reader.call(call.name, call.arguments)

    def write(self, calls: Sequence[Call]) -> str:
        objects = (
            f'{{"name": {quote(call.name)}, "arguments": {call.arguments}}}' for call in calls
        )
        return f"{BEGIN}[{', '.join(objects)}]"

    def grammar(self, tools: Tools, marker: Marker, *, several: bool) -> str:
        more = ' (", " call)*' if several else ""
        rules = object_rules("call", tools, "arguments")
        return f'calls: {marker(BEGIN)} "[" call{more} "]"\n{rules}'

    def describe(self) -> str:
        return (
            f"To call functions, answer with {BEGIN} and a list of JSON objects with their names "
            f'and arguments:\n{BEGIN}[{{"name": "function-name", "arguments": {{}}}}]'
        )


class MistralArgs(Mistral):
    """Reads both forms, and writes the name before its arguments."""

    name = "mistral_args"

    def write(self, calls: Sequence[Call]) -> str:
        return "".join(f"{BEGIN}{call.name}{ARGUMENTS}{call.arguments}" for call in calls)

    def grammar(self, tools: Tools, marker: Marker, *, several: bool) -> str:
        rules = [f"calls: call{'+' if several else ''}"]
        rules.append("call: " + " | ".join(f"call_{index}" for index in range(len(tools))))
        for index, (name, schema) in enumerate(tools.items()):
            body = json_rule(arguments_schema(schema))
            rules.append(f"call_{index}: {marker(BEGIN)} {quote(name)} {marker(ARGUMENTS)} {body}")
        return "\n".join(rules) + "\n"

    def describe(self) -> str:
        return (
            f"To call a function, write {BEGIN}, its name, {ARGUMENTS} and its arguments as a JSON "
            f"object:\n{BEGIN}function-name{ARGUMENTS}{{}}"
        )


def _read_list(reader: Reader, tools: Tools) -> Steps[list[Call]]:
    """All calls of a list; none where one of them is none."""
    text = yield from read_value(reader)
    if text is None:
        return []
    calls = [read_call(element, tools) for element in elements(text)]
    found = [call for call in calls if call is not None]
    return found if len(found) == len(calls) else []


def _read_named(reader: Reader, tools: Tools) -> Steps[list[Call]]:
    name = yield from reader.run(_NAME)
    if name not in tools:
        return []
    if (yield from reader.peek()) == "[":
        # Both markers begin alike, and differ in the second character.
        yield from reader.literal("[")
        with_id = (yield from reader.peek()) == "C"
        if not (yield from reader.literal((CALL_ID if with_id else ARGUMENTS)[1:])):
            return []
        if with_id:
            yield from reader.run(_NAME)
            if not (yield from reader.literal(ARGUMENTS)):
                return []
    yield from reader.spaces()
    text = yield from read_value(reader)
    return [] if text is None or not text.startswith("{") else [Call(name, text)]
