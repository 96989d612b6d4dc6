"""`[f(a=1), g(b="x")]`: Llama 3.2 and 4, and others that write calls as Python.

<https://www.llama.com/docs/model-cards-and-prompt-formats/llama4/>: the calls are the whole turn,
and may stand between `<|python_start|>` and `<|python_end|>`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rostra.mesh.parsers.formats import Marker, Tools, json_rule, quote, read_parameters
from rostra.mesh.parsers.json_text import Call
from rostra.mesh.parsers.reader import Reader, Steps

PYTHON_START = "<|python_start|>"
PYTHON_END = "<|python_end|>"
MAX_DEPTH = 64
"""What is nested deeper is taken for no call."""

_NAME = re.compile(r"[A-Za-z0-9_.-]*")
_PLAIN = re.compile(r"""[^\\"'()\[\]{},=]*""")
_IN_STRING = re.compile(r"""[^\\"']*""")
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_KEY = re.compile(r"\s*([^\s=]+)\s*")
_CONSTANTS = {"true": "True", "false": "False", "null": "None"}


class Pythonic:
    name = "pythonic"
    special_tokens: tuple[str, ...] = (PYTHON_START, PYTHON_END)
    trigger = ""
    text = r"[^\[\s](?s:.*)"

    def read(self, reader: Reader, tools: Tools) -> Steps[None]:
        yield from reader.spaces()
        started = False
        if (yield from reader.peek()) == "<":
            started = yield from reader.literal(PYTHON_START)
            yield from reader.spaces()
        if (yield from reader.peek()) != "[":
            return
        yield from reader.literal("[")
        while call := (yield from _read_call(reader, tools)):
            yield from reader.spaces()
            character = yield from reader.peek()
            if not character or character not in ",]":
                return
            yield from reader.literal(character)
            if character == "]":
                # Only now is it sure that this was the list of calls.
                reader.call(call.name, call.arguments)
                yield from reader.spaces()
                if started and (yield from reader.literal(PYTHON_END)):
                    reader.drop()
                return
            reader.call(call.name, call.arguments)

    def write(self, calls: Sequence[Call]) -> str:
        return f"[{', '.join(_write_call(call) for call in calls)}]"

    def grammar(self, tools: Tools, marker: Marker, *, several: bool) -> str:
        names = [f"call_{index}" for index in range(len(tools))]
        more = ' (", " call)*' if several else ""
        rules = [f'calls: "[" call{more} "]"', f"call: {' | '.join(names)}"]
        for rule, (name, schema) in zip(names, tools.items(), strict=True):
            rules += _call_rules(rule, name, schema)
        return "\n".join(rules) + "\n"

    def describe(self) -> str:
        return (
            "To call functions, answer with nothing but a list of calls as Python writes them:\n"
            '[function_name(argument="value"), other_function(argument=1)]'
        )


def _read_call(reader: Reader, tools: Tools) -> Steps[Call | None]:
    yield from reader.spaces()
    name = yield from reader.run(_NAME)
    if name not in tools or not (yield from reader.literal("(")):
        return None
    arguments: dict[str, Any] = {}
    while True:
        parts: list[str] = []
        closed = yield from _read_argument(reader, parts)
        if closed is None:
            return None
        text = "".join(parts)
        if text.strip() or not closed:
            key, equals, value = text.partition("=")
            match = _KEY.fullmatch(key)
            if not equals or match is None or match[1] in arguments:
                return None
            try:
                arguments[match[1]] = _literal(value.strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
                return None
        if closed:
            break
    try:
        text = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, TypeError, RecursionError):
        return None
    return Call(name, text)


def _read_argument(reader: Reader, parts: list[str]) -> Steps[bool | None]:
    """Up to the comma after an argument, or the parenthesis that ends the call.

    Whether it ended the call; None for what closes what was not opened.
    """
    closers: list[str] = []
    while True:
        parts.append((yield from reader.run(_PLAIN)))
        character = yield from reader.peek()
        if not character or character == "\\" or len(closers) > MAX_DEPTH:
            return None
        yield from reader.literal(character)
        if not closers and character in ",)":
            return character == ")"
        parts.append(character)
        if character in "\"'":
            if not (yield from _read_string(reader, parts, character)):
                return None
        elif character in _CLOSERS:
            closers.append(_CLOSERS[character])
        elif character in ")]}" and (not closers or closers.pop() != character):
            return None


def _read_string(reader: Reader, parts: list[str], delimiter: str) -> Steps[bool]:
    while True:
        parts.append((yield from reader.run(_IN_STRING)))
        character = yield from reader.peek()
        if not character:
            return False
        yield from reader.literal(character)
        parts.append(character)
        if character == delimiter:
            return True
        if character == "\\":
            escaped = yield from reader.peek()
            yield from reader.literal(escaped)
            parts.append(escaped)


def _literal(text: str) -> Any:
    """A value as JSON or as Python writes it. Raises ValueError, SyntaxError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        tree = ast.parse(text, mode="eval")
    for node in ast.walk(tree):
        # Models mix the two languages.
        if isinstance(node, ast.Name) and node.id in _CONSTANTS:
            node.id = _CONSTANTS[node.id]
    return ast.literal_eval(ast.unparse(tree))


def _write_call(call: Call) -> str:
    arguments = json.loads(call.arguments)
    written = (f"{key}={value!r}" for key, value in arguments.items())
    return f"{call.name}({', '.join(written)})"


def _call_rules(rule: str, name: str, schema: Mapping[str, Any]) -> list[str]:
    """Values are JSON, which is read here as well as Python is.

    Arguments come in the schema's order. `rule_first_i` is what may follow where argument i is the
    first to be written, `rule_next_i` where it needs a comma.
    """
    parameters = read_parameters(schema)
    rules = [f'{rule}: {quote(f"{name}(")} {rule}_first_0 ")"']
    for index, parameter in enumerate(parameters):
        rules.append(f"{rule}_value_{index}: {json_rule(parameter.schema)}")
        for kind, comma in (("first", ""), ("next", ", ")):
            key = quote(f"{comma}{parameter.name}=")
            skip = "" if parameter.required else f" | {rule}_{kind}_{index + 1}"
            rules.append(
                f"{rule}_{kind}_{index}: {key} {rule}_value_{index} {rule}_next_{index + 1}{skip}"
            )
    count = len(parameters)
    return [*rules, f'{rule}_first_{count}: ""', f'{rule}_next_{count}: ""']
