"""What models of each family wrote, and what that means. The texts have the form of examples that
the makers of the models publish."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rostra.mesh.parsers import (
    REASONING_FORMATS,
    TOOL_FORMATS,
    Event,
    Kind,
    OutputParser,
)

TOOLS: dict[str, dict[str, Any]] = {
    "get_weather": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city"],
    },
    "get-time": {"type": "object", "properties": {}},
}
TRICKY = r'{"city": "a \"b\" }] </tool_call> \u00e9 \\", "days": -1.5e+3}'


@dataclass
class Outcome:
    """The events of one output, those of one kind joined."""

    content: str = ""
    reasoning: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)


def parse(parser: OutputParser, pieces: list[str]) -> Outcome:
    """Asserts what holds of all events."""
    outcome, open_call, length, settled = Outcome(), False, 0, 0
    text = "".join(pieces)
    for piece in [*pieces, None]:
        events = parser.finish() if piece is None else parser.push(piece)
        length += len(piece or "")
        for event in events:
            assert settled <= event.end <= length
            settled = event.end
            open_call = _add(outcome, event, open_call)
            if event.kind in (Kind.CONTENT, Kind.REASONING):
                assert text[event.end - len(event.text) : event.end] == event.text
        assert parser.settled == settled
    assert not open_call
    return outcome


def _add(outcome: Outcome, event: Event, open_call: bool) -> bool:
    assert event.text or event.kind is Kind.CALL_END
    match event.kind:
        case Kind.CONTENT:
            assert not open_call
            outcome.content += event.text
        case Kind.REASONING:
            assert not open_call
            assert not outcome.content
            outcome.reasoning += event.text
        case Kind.CALL:
            assert not open_call
            outcome.calls.append((event.text, ""))
            return True
        case Kind.ARGUMENTS:
            assert open_call
            name, arguments = outcome.calls[-1]
            outcome.calls[-1] = (name, arguments + event.text)
        case Kind.CALL_END:
            assert open_call
            return False
    return open_call


def make_parser(
    tool_format: str | None, reasoning: str | None = None, *, opened: bool = False
) -> OutputParser:
    return OutputParser(
        tools=TOOLS,
        tool_format=TOOL_FORMATS[tool_format] if tool_format else None,
        reasoning_format=REASONING_FORMATS[reasoning] if reasoning else None,
        reasoning_opened=opened,
    )


PARIS = ("get_weather", '{"city": "Paris"}')
TIME = ("get-time", "{}")
DEEPSEEK_CALL = (
    "<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n"
    '```json\n{"city": "Paris"}\n```<｜tool▁call▁end｜>'
)

# (format, what the model wrote, content, calls)
WHOLE: list[tuple[str, str, str, list[tuple[str, str]]]] = [
    (
        "hermes",
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>',
        "",
        [PARIS],
    ),
    (
        "hermes",
        'Let me look.\n\n<tool_call>\n{"arguments": {"city": "Paris"}, "name": "get_weather"}\n'
        '</tool_call>\n<tool_call>\n{"name": "get-time", "arguments": {}}\n</tool_call>\n',
        "Let me look.",
        [PARIS, TIME],
    ),
    ("hermes", '<tool_call>{"name": "get-time"}', "", [TIME]),
    (
        "hermes",
        f'<tool_call>{{"name": "get_weather", "arguments": {TRICKY}}}</tool_call>',
        "",
        [("get_weather", TRICKY)],
    ),
    (
        "qwen3_coder",
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n"
        "<parameter=days>\n3\n</parameter>\n<parameter=unit>\ncelsius\n</parameter>\n"
        "</function>\n</tool_call>",
        "",
        [("get_weather", '{"city": "Paris", "days": 3, "unit": "celsius"}')],
    ),
    (
        "qwen3_coder",
        "<tool_call>\n<function=get_weather>\n<parameter=city>\n7\n\n<b>\n</parameter>\n"
        "</function>\n</tool_call>\n<tool_call>\n<function=get-time>\n</function>\n</tool_call>",
        "",
        [("get_weather", '{"city": "7\\n\\n<b>"}'), TIME],
    ),
    ("llama3_json", '{"name": "get_weather", "parameters": {"city": "Paris"}}', "", [PARIS]),
    (
        "llama3_json",
        '<|python_tag|>{"type": "function", "name": "get_weather", '
        '"parameters": {"city": "Paris"}}; {"name": "get-time", "parameters": {}}',
        "",
        [PARIS, TIME],
    ),
    ("llama3_json", '{"answer": 4} is the answer', '{"answer": 4} is the answer', []),
    (
        "llama3_json",
        'Here: {"name": "get-time", "parameters": {}}',
        'Here: {"name": "get-time", "parameters": {}}',
        [],
    ),
    (
        "pythonic",
        "[get_weather(city='Paris'), get-time()]",
        "",
        [PARIS, TIME],
    ),
    (
        "pythonic",
        '<|python_start|>[get_weather(city="a, b)", days=[1, None, {"k": (True, false)}])]'
        "<|python_end|>",
        "",
        [("get_weather", '{"city": "a, b)", "days": [1, null, {"k": [true, false]}]}')],
    ),
    ("pythonic", "[1, 2] and [x]", "[1, 2] and [x]", []),
    (
        "mistral",
        '[TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "Paris"}}, '
        '{"name": "get-time", "arguments": {}, "id": "abcdefghi"}]',
        "",
        [PARIS, TIME],
    ),
    (
        "mistral_args",
        'I see. [TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}[TOOL_CALLS]get-time[ARGS]{}',
        "I see.",
        [PARIS, TIME],
    ),
    ("mistral_args", "[TOOL_CALLS]get-time[CALL_ID]123456789[ARGS]{}", "", [TIME]),
    ("mistral", '[TOOL_CALLS]get_weather{"city": "Paris"}', "", [PARIS]),
    (
        "deepseek_v3",
        f"Now:<｜tool▁calls▁begin｜>{DEEPSEEK_CALL}\n{DEEPSEEK_CALL}<｜tool▁calls▁end｜>",
        "Now:",
        [PARIS, PARIS],
    ),
    (
        "deepseek_v31",
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Paris"}'
        "<｜tool▁call▁end｜><｜tool▁call▁begin｜>get-time<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
        "<｜tool▁calls▁end｜>",
        "",
        [PARIS, TIME],
    ),
    ("json", '{"name": "get_weather", "arguments": {"city": "Paris"}}', "", [PARIS]),
    (
        "json",
        '```json\n[{"name": "get_weather", "parameters": {"city": "Paris"}}, '
        '{"name": "get-time", "arguments": "{}"}]\n```',
        "",
        [PARIS, TIME],
    ),
    (
        "json",
        'I call `it`: {"name": "get-time", "arguments": {}}\nWait.',
        "I call `it`:Wait.",
        [TIME],
    ),
]

# Not one of these is a call. All of it is content.
MALFORMED: list[tuple[str, str]] = [
    ("hermes", '<tool_call>\n{"name": "unknown", "arguments": {}}\n</tool_call>'),
    ("hermes", '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Par'),
    ("hermes", '<tool_call>{"name": "get_weather", "arguments": {"city": Paris}}</tool_call>'),
    ("hermes", '<tool_call>{"name": "get_weather", "arguments": {"city": NaN}}</tool_call>'),
    ("hermes", '<tool_call>{"name": "get_weather", "arguments": [1]}</tool_call>'),
    ("hermes", '<tool_call>{"name": "get-time", "arguments": {}, "more": 1}</tool_call>'),
    ("hermes", '<tool_call>{"name": ["get-time"], "arguments": {}}</tool_call>'),
    ("hermes", '<tool_call>{"name": "get-time", "arguments": "{\\"a\\": \\"\\ud800\\"}"}'),
    ("hermes", '<tool_call>{"name": "get-time", "arguments": {}} and so on'),
    ("hermes", "<tool_call>" + "[" * 5000),
    ("hermes", '<tool_call>{"name": ' + "1" * 5000 + "}</tool_call>"),
    ("hermes", "<tool_call> </tool_call> <tool_c"),
    ("qwen3_coder", "<tool_call>\n<function=unknown>\n</function>\n</tool_call>"),
    ("qwen3_coder", "<tool_call>\n<function=get-time>\n<parameter=a>\n1\n</param"),
    (
        "qwen3_coder",
        "<tool_call><function=get-time><parameter=a>1</parameter><parameter=a>2</parameter>",
    ),
    ("llama3_json", '{"name": "get-time"}'),
    ("llama3_json", "<|python_tag|>print('hello')"),
    ("llama3_json", '{"name": "get-time", "parameters": {"a": "'),
    ("pythonic", "[get_weather(city=open('x'))]"),
    ("pythonic", "[get_weather('Paris')]"),
    ("pythonic", "[get_weather(city=1e999)]"),
    ("pythonic", "[get_weather(city=" + "(" * 300 + ")]"),
    ("pythonic", "[get_weather(city='Paris', city='Rome')]"),
    ("pythonic", "[get_weather(city='\\ud800')]"),
    ("mistral", '[TOOL_CALLS][{"name": "get-time", "arguments": {}}, {"name": "unknown"}]'),
    ("mistral", "[TOOL_CALLS]get-time[ARGS]{"),
    ("mistral", "[TOOL_CALLS]get-time[CALLS]{}"),
    ("deepseek_v3", f"<｜tool▁calls▁begin｜>{DEEPSEEK_CALL[:-10]}"),
    ("deepseek_v31", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>unknown<｜tool▁sep｜>{}"),
    ("json", '{"name": "unknown", "arguments": {}}'),
    ("json", '```json\n{"name": "get-time", "arguments": {'),
    ("json", "[{}, 1] ``` `` ```py\nprint({1: 2})\n```"),
]
