"""DeepSeek's fences of special tokens: V3 and R1, and V3.1 after them.

V3 writes the kind of the tool, its name, and its arguments in a fence of Markdown; V3.1 writes its
name and its arguments and nothing else.
<https://huggingface.co/deepseek-ai/DeepSeek-V3.1> describes the newer one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rostra.mesh.parsers.formats import Marker, Tools, arguments_schema, json_rule, quote
from rostra.mesh.parsers.json_text import Call, read_value
from rostra.mesh.parsers.reader import Reader, Steps

CALLS_BEGIN = "<｜tool▁calls▁begin｜>"
CALLS_END = "<｜tool▁calls▁end｜>"
CALL_BEGIN = "<｜tool▁call▁begin｜>"
CALL_END = "<｜tool▁call▁end｜>"
SEPARATOR = "<｜tool▁sep｜>"
KIND = "function"
FENCE = "```"

_NAME = re.compile(r"[A-Za-z0-9_.-]*")


class DeepSeek:
    """Reads both forms, and writes that of V3.1."""

    name = "deepseek_v31"
    special_tokens: tuple[str, ...] = (CALLS_BEGIN, CALLS_END, CALL_BEGIN, CALL_END, SEPARATOR)
    trigger = CALLS_BEGIN
    text = ""

    def read(self, reader: Reader, tools: Tools) -> Steps[None]:
        while (yield from reader.until(CALLS_BEGIN)):
            yield from reader.spaces()
            found = False
            while (yield from self._read_call(reader, tools, found)):
                found = True
                yield from reader.spaces()

    def _read_call(self, reader: Reader, tools: Tools, follows_call: bool) -> Steps[bool]:
        """Whether there was one. The marker of the end is read too, where there is none."""
        # All these markers have the same beginning, up to "call" or "calls".
        shared = "<｜tool▁call"
        if not (yield from reader.literal(shared)):
            reader.text()
            return False
        if (yield from reader.peek()) == "s":
            if (yield from reader.literal(CALLS_END.removeprefix(shared))) and follows_call:
                reader.drop()
            else:
                reader.text()
            return False
        call = None
        if (yield from reader.literal(CALL_BEGIN.removeprefix(shared))):
            call = yield from _read_body(reader, tools)
        if call is None or not (yield from reader.literal(CALL_END)):
            reader.text()
            return False
        reader.call(call.name, call.arguments)
        return True

    def write(self, calls: Sequence[Call]) -> str:
        bodies = (f"{call.name}{SEPARATOR}{call.arguments}" for call in calls)
        return CALLS_BEGIN + "".join(f"{CALL_BEGIN}{body}{CALL_END}" for body in bodies) + CALLS_END

    def grammar(self, tools: Tools, marker: Marker, *, several: bool) -> str:
        names = [f"body_{index}" for index in range(len(tools))]
        rules = [
            f"calls: {marker(CALLS_BEGIN)} call{self._more(several)} {marker(CALLS_END)}",
            f"call: {marker(CALL_BEGIN)} ({' | '.join(names)}) {marker(CALL_END)}",
        ]
        for rule, (name, schema) in zip(names, tools.items(), strict=True):
            arguments = json_rule(arguments_schema(schema))
            rules.append(f"{rule}: {self._body(name, arguments, marker(SEPARATOR))}")
        return "\n".join(rules) + "\n"

    def _more(self, several: bool) -> str:
        return "+" if several else ""

    def _body(self, name: str, arguments: str, separator: str) -> str:
        return f"{quote(name)} {separator} {arguments}"

    def describe(self) -> str:
        return (
            "To call functions, write each one's name and its arguments as a JSON object:\n"
            f"{self.write([Call('function-name', '{}')])}"
        )


class DeepSeekV3(DeepSeek):
    """Reads both forms, and writes that of V3 and R1."""

    name = "deepseek_v3"

    def write(self, calls: Sequence[Call]) -> str:
        bodies = (
            f"{CALL_BEGIN}{KIND}{SEPARATOR}{call.name}\n{FENCE}json\n{call.arguments}\n{FENCE}"
            for call in calls
        )
        return CALLS_BEGIN + "\n".join(body + CALL_END for body in bodies) + CALLS_END

    def _more(self, several: bool) -> str:
        return r' ("\n" call)*' if several else ""

    def _body(self, name: str, arguments: str, separator: str) -> str:
        head, tail = quote(f"{name}\n{FENCE}json\n"), quote(f"\n{FENCE}")
        return f"{quote(KIND)} {separator} {head} {arguments} {tail}"


def _read_body(reader: Reader, tools: Tools) -> Steps[Call | None]:
    name = yield from reader.run(_NAME)
    if not (yield from reader.literal(SEPARATOR)):
        return None
    fenced = (yield from reader.peek()) != "{"
    if fenced:
        name = yield from reader.run(_NAME)
        yield from reader.spaces()
        if not (yield from reader.literal(f"{FENCE}json")):
            return None
        yield from reader.spaces()
    text = yield from read_value(reader)
    if text is None or not text.startswith("{") or name not in tools:
        return None
    if fenced:
        yield from reader.spaces()
        if not (yield from reader.literal(FENCE)):
            return None
    yield from reader.spaces()
    return Call(name, text)
