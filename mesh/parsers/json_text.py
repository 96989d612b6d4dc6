"""JSON (RFC 8259) in text that is still coming, and calls that are written in it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from rostra.mesh.parsers.reader import Reader, Steps

MAX_DEPTH = 128
"""What is nested deeper is taken for no JSON."""

_STRING = re.compile(r'[^"\\\x00-\x1f]*')
_SCALAR = re.compile(r"[-+.0-9A-Za-z]*")
_WHOLE_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")
_HEX = re.compile(r"[0-9A-Fa-f]*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACE = re.compile(r"[ \t\r\n]*")
_CLOSERS = {"{": "}", "[": "]"}

# Numbers stay text: only where values begin and end is asked for.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


@dataclass(frozen=True)
class Call:
    name: str
    arguments: str
    """JSON text of an object, as the model wrote it."""


def read_value(reader: Reader) -> Steps[str | None]:
    """The text of the value that comes next; None where what comes is none.

    Reading stops at the first character that cannot go on, so what is no JSON is known early.
    """
    parts: list[str] = []
    closers: list[str] = []
    while True:
        character = yield from reader.peek()
        if character in _CLOSERS and character:
            if len(closers) == MAX_DEPTH:
                return None
            yield from reader.literal(character)
            closers.append(_CLOSERS[character])
            parts += [character, (yield from reader.spaces())]
            if (yield from reader.peek()) != closers[-1]:
                if closers[-1] == "}" and not (yield from _read_key(reader, parts)):
                    return None
                continue
        elif not (yield from _read_scalar(reader, parts)):
            return None
        # After a value: whatever is open goes on, or closes.
        while closers:
            parts.append((yield from reader.spaces()))
            character = yield from reader.peek()
            if character not in (",", closers[-1]):
                return None
            yield from reader.literal(character)
            parts.append(character)
            if character == ",":
                parts.append((yield from reader.spaces()))
                if closers[-1] == "}" and not (yield from _read_key(reader, parts)):
                    return None
                break
            closers.pop()
        if not closers:
            return "".join(parts)


def _read_key(reader: Reader, parts: list[str]) -> Steps[bool]:
    if (yield from reader.peek()) != '"' or not (yield from _read_string(reader, parts)):
        return False
    parts.append((yield from reader.spaces()))
    if not (yield from reader.literal(":")):
        return False
    parts += [":", (yield from reader.spaces())]
    return True


def _read_scalar(reader: Reader, parts: list[str]) -> Steps[bool]:
    if (yield from reader.peek()) == '"':
        return (yield from _read_string(reader, parts))
    parts.append((yield from reader.run(_SCALAR)))
    return _WHOLE_SCALAR.fullmatch(parts[-1]) is not None


def _read_string(reader: Reader, parts: list[str]) -> Steps[bool]:
    yield from reader.literal('"')
    parts.append('"')
    while True:
        parts.append((yield from reader.run(_STRING)))
        character = yield from reader.peek()
        if character not in ('"', "\\"):
            return False
        yield from reader.literal(character)
        parts.append(character)
        if character == '"':
            return True
        if not (yield from _read_escape(reader, parts)):
            return False


def _read_escape(reader: Reader, parts: list[str]) -> Steps[bool]:
    character = yield from reader.peek()
    if not character or character not in '"\\/bfnrtu':
        return False
    yield from reader.literal(character)
    parts.append(character)
    for _ in range(4 if character == "u" else 0):
        digit = yield from reader.peek()
        if not _HEX.match(digit).end():  # type: ignore[union-attr] # it matches anything
            return False
        yield from reader.literal(digit)
        parts.append(digit)
    return True


def members(text: str) -> dict[str, str]:
    """The texts of an object's values by key. `text` is a whole JSON object."""
    found = {}
    at = _skip(text, 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        _, at = _DECODER.raw_decode(text, start)
        found[key] = text[start:at]
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def elements(text: str) -> Iterator[str]:
    """The texts of a list's values. `text` is a whole JSON list."""
    at = _skip(text, 1)
    while text[at] != "]":
        start = at
        _, at = _DECODER.raw_decode(text, start)
        yield text[start:at]
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)


def read_call(
    text: str | None, names: Collection[str], *, needs_arguments: bool = False
) -> Call | None:
    """The call that an object such as `{"name": "f", "arguments": {}}` makes.

    Arguments are also known as "parameters", may be an object in a string, and where they are not
    needed may be absent or null. None for an object that is no call of one of `names`.
    """
    if text is None or not text.startswith("{"):
        return None
    found = members(text)
    if not found.keys() <= {"name", "arguments", "parameters", "type", "id"}:
        return None
    name = found.get("name", "")
    name = json.loads(name) if name.startswith('"') else ""
    if name not in names:
        return None
    if "arguments" in found and "parameters" in found:
        return None
    arguments = found.get("arguments", found.get("parameters", "null"))
    if arguments == "null" and not needs_arguments:
        arguments = "{}"
    text_of_object = _object_text(arguments)
    return None if text_of_object is None else Call(name, text_of_object)


def whole_value(text: str) -> str | None:
    """`text` without the white space around it, if it is one JSON value and nothing else."""
    text = text.strip(" \t\r\n")
    reader = Reader()
    reader.feed(text)
    reader.end()
    try:
        next(read_value(reader))
    except StopIteration as done:
        return text if done.value == text else None
    raise AssertionError("a reader at its end waits for nothing")


def _object_text(value: str) -> str | None:
    if not value.startswith('"'):
        return value if value.startswith("{") else None
    text = whole_value(json.loads(value))
    # Half of a surrogate pair can be escaped in JSON and is no text.
    return text if text and text.startswith("{") and not _SURROGATE.search(text) else None


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()
