"""What each family writes, and what malformed text comes to."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parser_cases import MALFORMED, WHOLE, make_parser, parse

from rostra.mesh.parsers import TOOL_FORMATS, Call, Kind, OutputParser

ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab<>", max_size=3), inner),
    max_leaves=6,
)


@pytest.mark.parametrize(("name", "text", "content", "calls"), WHOLE)
def test_published_forms(name, text, content, calls):
    outcome = parse(make_parser(name), [text])
    assert outcome.content == content
    assert outcome.calls == calls
    assert all(isinstance(json.loads(arguments), dict) for _, arguments in outcome.calls)


@pytest.mark.parametrize(("name", "text"), MALFORMED)
def test_what_is_no_call_is_content_and_nothing_is_lost(name, text):
    outcome = parse(make_parser(name), [text])
    assert outcome.content == text
    assert outcome.calls == []


@pytest.mark.parametrize("name", TOOL_FORMATS)
def test_every_beginning_of_a_call_is_content(name):
    text = TOOL_FORMATS[name].write([Call("get_weather", '{"city": "Paris", "days": [1, {}]}')])
    for end in range(len(text)):
        outcome = parse(make_parser(name), [text[:end]])
        assert outcome.calls or outcome.content == text[:end]
        # Markup at the end of the turn may be missing, arguments may not.
        assert [json.loads(arguments) for _, arguments in outcome.calls] in (
            [],
            [{"city": "Paris", "days": [1, {}]}],
        )


@pytest.mark.parametrize("name", TOOL_FORMATS)
@settings(max_examples=30, deadline=None)
@given(arguments=st.lists(st.fixed_dictionaries({"days": ANY, "other": ANY}), min_size=1))
def test_what_a_format_writes_it_reads(name, arguments):
    if name == "qwen3_coder":
        # Strings are written as they are, so that one that looks like JSON is read as that.
        arguments = [{"city": str(each), "days": [each]} for each in arguments]
        arguments = [each for each in arguments if "<" not in each["city"]]
    if not arguments:
        return
    calls = [Call("get_weather", json.dumps(each)) for each in arguments]
    outcome = parse(make_parser(name), [TOOL_FORMATS[name].write(calls)])
    assert outcome.content == ""
    assert [json.loads(text) for _, text in outcome.calls] == arguments


@pytest.mark.parametrize("name", TOOL_FORMATS)
def test_a_call_comes_when_it_is_whole_and_content_at_once(name):
    """Nothing waits for the end that need not."""
    tool_format = TOOL_FORMATS[name]
    parser = make_parser(name)
    assert [event.text for event in parser.push("Some words")] == ["Some words"]
    parser = make_parser(name)
    call = tool_format.write([Call("get_weather", '{"city": "Paris"}')])
    kinds = [event.kind for event in parser.push(call)]
    assert kinds == [Kind.CALL, Kind.ARGUMENTS, Kind.CALL_END]


@pytest.mark.parametrize("name", TOOL_FORMATS)
def test_time_is_linear_in_what_is_read(name):
    """Counts what the reader is asked for, not seconds: every character is read once."""
    begin = TOOL_FORMATS[name].write([Call("get_weather", '{"city": "Paris"}')])[:-3]
    for text in (begin * 300, begin.replace("Paris", "x" * 50_000)):
        parser = make_parser(name)
        reads = 0
        reader = parser._reader
        original = reader._read

        def counting(end, reader=reader, original=original):
            nonlocal reads
            reads += end - reader._at
            return original(end)

        reader._read = counting
        for start in range(0, len(text), 3):
            parser.push(text[start : start + 3])
        parser.finish()
        assert reads == len(text)


def test_only_tools_on_offer_are_called():
    text = '<tool_call>{"name": "get-time"}</tool_call>'
    for offered, content in (({"get-time": {}}, ""), ({"other": {}}, text), ({}, text)):
        parser = OutputParser(tools=offered, tool_format=TOOL_FORMATS["hermes"])
        assert parse(parser, [text]).content == content
