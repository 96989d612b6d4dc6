"""`<tool_call>{"name": "f", "arguments": {}}</tool_call>`: Hermes 2 Pro, Qwen 2.5 and 3."""

from __future__ import annotations

from collections.abc import Sequence

from rostra.mesh.parsers.formats import Marker, Tools, object_rules, quote
from rostra.mesh.parsers.json_text import Call, read_call, read_value
from rostra.mesh.parsers.reader import Reader, Steps

BEGIN = "<tool_call>"
END = "</tool_call>"


class Hermes:
    name = "hermes"
    special_tokens: tuple[str, ...] = (BEGIN, END)
    trigger = BEGIN
    text = ""

    def read(self, reader: Reader, tools: Tools) -> Steps[None]:
        while (yield from reader.until(BEGIN)):
            yield from reader.spaces()
            call = read_call((yield from read_value(reader)), tools)
            if call is None:
                reader.text()
                continue
            yield from reader.spaces()
            # Models leave the last end marker out where they end their turn.
            if (yield from reader.peek()) and not (yield from reader.literal(END)):
                reader.text()
                continue
            reader.call(call.name, call.arguments)

    def write(self, calls: Sequence[Call]) -> str:
        return "\n".join(
            f'{BEGIN}\n{{"name": {quote(call.name)}, "arguments": {call.arguments}}}\n{END}'
            for call in calls
        )

    def grammar(self, tools: Tools, marker: Marker, *, several: bool) -> str:
        more = r' ("\n" call)*' if several else ""
        return (
            f"calls: call{more}\n"
            f'call: {marker(BEGIN)} "\\n" call_object "\\n" {marker(END)}\n'
            f"{object_rules('call_object', tools, 'arguments')}"
        )

    def describe(self) -> str:
        return (
            "To call a function, write a JSON object with its name and its arguments inside "
            f'{BEGIN} and {END}:\n{BEGIN}\n{{"name": "function-name", "arguments": {{}}}}\n{END}'
        )
