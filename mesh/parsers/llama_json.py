"""`{"name": "f", "parameters": {}}`: Llama 3.1, 3.2 and 3.3.

<https://www.llama.com/docs/model-cards-and-prompt-formats/llama3_1/>: a call is the whole turn,
and may begin with `<|python_tag|>`; several are separated by semicolons.
"""

from __future__ import annotations

from collections.abc import Sequence

from rostra.mesh.parsers.formats import Marker, Tools, object_rules, quote
from rostra.mesh.parsers.json_text import Call, read_call, read_value
from rostra.mesh.parsers.reader import Reader, Steps

PYTHON_TAG = "<|python_tag|>"


class LlamaJson:
    name = "llama3_json"
    special_tokens: tuple[str, ...] = (PYTHON_TAG,)
    trigger = ""
    text = r"[^{\s](?s:.*)"

    def read(self, reader: Reader, tools: Tools) -> Steps[None]:
        yield from reader.spaces()
        if (yield from reader.peek()) == "{":
            yield from self._read_calls(reader, tools)
        while (yield from reader.until(PYTHON_TAG)):
            yield from reader.spaces()
            yield from self._read_calls(reader, tools)

    def _read_calls(self, reader: Reader, tools: Tools) -> Steps[None]:
        """Whatever does not go on as a call becomes content."""
        while True:
            text = yield from read_value(reader)
            call = read_call(text, tools, needs_arguments=True)
            if call is None:
                reader.text()
                return
            reader.call(call.name, call.arguments)
            yield from reader.spaces()
            if (yield from reader.peek()) != ";":
                return
            yield from reader.literal(";")
            yield from reader.spaces()
            if not (yield from reader.peek()):
                reader.drop()
                return

    def write(self, calls: Sequence[Call]) -> str:
        return "; ".join(
            f'{{"name": {quote(call.name)}, "parameters": {call.arguments}}}' for call in calls
        )

    def grammar(self, tools: Tools, marker: Marker, *, several: bool) -> str:
        more = ' ("; " call)*' if several else ""
        return f"calls: call{more}\n{object_rules('call', tools, 'parameters')}"

    def describe(self) -> str:
        return (
            "To call a function, answer with nothing but a JSON object with its name and its "
            'arguments:\n{"name": "function-name", "parameters": {}}\n'
            "Separate several with semicolons."
        )
