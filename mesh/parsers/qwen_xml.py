"""`<tool_call><function=f><parameter=a>`: Qwen3-Coder.

Strings are written as they are, other values as JSON, so that the schema of a tool decides what a
value is. The line breaks around a value are not part of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rostra.mesh.parsers.formats import Marker, Tools, json_rule, quote, read_parameters
from rostra.mesh.parsers.hermes import BEGIN, END
from rostra.mesh.parsers.json_text import Call, members, whole_value
from rostra.mesh.parsers.reader import Reader, Steps

FUNCTION = "<function="
FUNCTION_END = "</function>"
PARAMETER = "<parameter="
PARAMETER_END = "</parameter>"

_NAME = re.compile(r"[^<>\n]*")
_VALUE = re.compile(r"[^<]*")
_CONSTRAINTS = ("pattern", "format", "minLength", "maxLength", "anyOf", "allOf", "oneOf", "$ref")


class QwenXml:
    name = "qwen3_coder"
    special_tokens: tuple[str, ...] = (BEGIN, END)
    trigger = BEGIN
    text = ""

    def read(self, reader: Reader, tools: Tools) -> Steps[None]:
        while (yield from reader.until(BEGIN)):
            call = yield from _read_call(reader, tools)
            if call is None:
                reader.text()
            else:
                reader.call(call.name, call.arguments)

    def write(self, calls: Sequence[Call]) -> str:
        return "\n".join(_write_call(call) for call in calls)

    def grammar(self, tools: Tools, marker: Marker, *, several: bool) -> str:
        names = [f"body_{index}" for index in range(len(tools))]
        more = r' ("\n" call)*' if several else ""
        rules = [
            f"calls: call{more}",
            f'call: {marker(BEGIN)} "\\n" ({" | ".join(names)}) "\\n" {marker(END)}',
        ]
        for rule, (name, schema) in zip(names, tools.items(), strict=True):
            parameters = read_parameters(schema)
            head, tail = quote(f"{FUNCTION}{name}>\n"), quote(FUNCTION_END)
            body = [
                f"{rule}_{index}" if parameter.required else f"{rule}_{index}?"
                for index, parameter in enumerate(parameters)
            ]
            rules.append(f"{rule}: {' '.join([head, *body, tail])}")
            for index, parameter in enumerate(parameters):
                begin = quote(f"{PARAMETER}{parameter.name}>\n")
                rules.append(f'{rule}_{index}: {begin} {rule}_{index}_value "\\n"')
                rules.append(_value_rule(f"{rule}_{index}_value", parameter.schema))
        return "\n".join(rules) + "\n"

    def describe(self) -> str:
        example = self.write([Call("function-name", '{"parameter": "value"}')])
        return f"To call a function, write its name and its parameters like this:\n{example}"


def _read_call(reader: Reader, tools: Tools) -> Steps[Call | None]:
    yield from reader.spaces()
    if not (yield from reader.literal(FUNCTION)):
        return None
    name = yield from reader.run(_NAME)
    if name not in tools or not (yield from reader.literal(">")):
        return None
    arguments = yield from _read_arguments(reader, tools[name].get("properties", {}))
    if arguments is None:
        return None
    yield from reader.spaces()
    if (yield from reader.peek()) and not (yield from reader.literal(END)):
        return None
    written = (f"{json.dumps(key)}: {value}" for key, value in arguments.items())
    return Call(name, f"{{{', '.join(written)}}}")


def _read_arguments(reader: Reader, schemas: Mapping[str, Any]) -> Steps[dict[str, str] | None]:
    """JSON texts by name, up to the end of the function."""
    arguments: dict[str, str] = {}
    while True:
        yield from reader.spaces()
        if not (yield from reader.literal("<")):
            return None
        if (yield from reader.peek()) == "/":
            ended = yield from reader.literal(FUNCTION_END[1:])
            return arguments if ended else None
        if not (yield from reader.literal(PARAMETER[1:])):
            return None
        key = yield from reader.run(_NAME)
        if key in arguments or not (yield from reader.literal(">")):
            return None
        value = yield from _read_value(reader)
        if value is None:
            return None
        arguments[key] = _json_of(value, schemas.get(key))


def _read_value(reader: Reader) -> Steps[str | None]:
    parts: list[str] = []
    while (yield from reader.peek()):
        parts.append((yield from reader.run(_VALUE)))
        # What differs from the marker is part of the value, up to the character that differs.
        matched = 0
        while matched < len(PARAMETER_END):
            if (yield from reader.peek()) != PARAMETER_END[matched]:
                break
            yield from reader.literal(PARAMETER_END[matched])
            matched += 1
        if matched == len(PARAMETER_END):
            return "".join(parts).removeprefix("\n").removesuffix("\n")
        parts.append(PARAMETER_END[:matched])
    return None


def _is_plain(schema: Any) -> bool:
    """Whether values are strings, and any string will do."""
    return (
        isinstance(schema, Mapping)
        and schema.get("type") == "string"
        and not schema.keys() & set(_CONSTRAINTS)
    )


def _json_of(value: str, schema: Any) -> str:
    text = None if _is_plain(schema) else whole_value(value)
    return json.dumps(value, ensure_ascii=False) if text is None else text


def _value_rule(rule: str, schema: Mapping[str, Any]) -> str:
    if not _is_plain(schema):
        return f"{rule}: {rule}_json {quote(chr(10) + PARAMETER_END)}\n{rule}_json: " + json_rule(
            schema
        )
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(choices, list):
        return f"{rule}[suffix={quote(chr(10) + PARAMETER_END)}]: /(?s:.*)/"
    end = quote(f"\n{PARAMETER_END}")
    return f"{rule}: ({' | '.join(quote(str(choice)) for choice in choices)}) {end}"


def _write_call(call: Call) -> str:
    lines = [BEGIN, f"{FUNCTION}{call.name}>"]
    for key, value in members(call.arguments).items():
        text = json.loads(value) if value.startswith('"') else value
        lines += [f"{PARAMETER}{key}>", text, PARAMETER_END]
    return "\n".join([*lines, FUNCTION_END, END])
