"""`{"name": "f", "arguments": {}}`, for models that were taught no format of their own.

The object may stand anywhere, alone or in a list, and in a fence of Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rostra.mesh.parsers.formats import Marker, Tools, object_rules, quote
from rostra.mesh.parsers.json_text import Call, elements, read_call, read_value
from rostra.mesh.parsers.reader import Reader, Steps

_TEXT = re.compile(r"[^{\[`]*")
_LANGUAGE = re.compile(r"[a-z]*")
FENCE = "```"


class PlainJson:
    name = "json"
    special_tokens: tuple[str, ...] = ()
    trigger = ""
    text = r"[^{\[`\s][^{]*"

    def read(self, reader: Reader, tools: Tools) -> Steps[None]:
        fenced = False
        while character := (yield from reader.peek()):
            if character == "`":
                fence = yield from reader.literal(FENCE)
                if fence and fenced:
                    reader.drop()
                    fenced = False
                    continue
                if not fence:
                    reader.text()
                    continue
                yield from reader.run(_LANGUAGE)
                yield from reader.spaces()
                fenced = yield from self._read_calls(reader, tools)
                yield from reader.spaces()
            elif character in "{[":
                yield from self._read_calls(reader, tools)
            else:
                fenced = False
                reader.some(_TEXT)
                reader.text()

    def _read_calls(self, reader: Reader, tools: Tools) -> Steps[bool]:
        text = yield from read_value(reader)
        values = elements(text) if text and text.startswith("[") else [text]
        calls = [read_call(value, tools, needs_arguments=True) for value in values]
        found = [call for call in calls if call is not None]
        if not found or len(found) < len(calls):
            reader.text()
            return False
        for call in found:
            reader.call(call.name, call.arguments)
        return True

    def write(self, calls: Sequence[Call]) -> str:
        return "\n".join(
            f'{{"name": {quote(call.name)}, "arguments": {call.arguments}}}' for call in calls
        )

    def grammar(self, tools: Tools, marker: Marker, *, several: bool) -> str:
        more = r' ("\n" call)*' if several else ""
        return f"calls: call{more}\n{object_rules('call', tools, 'arguments')}"

    def describe(self) -> str:
        return (
            "To call a function, answer with nothing but a JSON object with its name and its "
            'arguments:\n{"name": "function-name", "arguments": {}}\n'
            "To call several, write one such object on each line."
        )
