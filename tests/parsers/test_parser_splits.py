"""The events joined are the same for every split of the text into deltas."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parser_cases import MALFORMED, WHOLE, make_parser, parse

from rostra.mesh.parsers import REASONING_FORMATS, TOOL_FORMATS

PIECES = {
    "hermes": ["<tool_call>", "</tool_call>", '{"name": "get-time"', ', "arguments": {}', "}"],
    "qwen3_coder": [
        *("<tool_call>", "<function=get-time>", "<parameter=a>", "</parameter>", "</function>"),
        *("</tool_call>", "1", "</"),
    ],
    "llama3_json": ["<|python_tag|>", '{"name": "get-time", "parameters": {}}', ";", "{", '"'],
    "pythonic": ["<|python_start|>", "[get-time(", "a=", "'x'", ")", "]", "<|python_end|>", ","],
    "mistral": ["[TOOL_CALLS]", "get-time", "[ARGS]", "[CALL_ID]", "{}", "[", "]", '{"name":'],
    "mistral_args": ["[TOOL_CALLS]", "get-time", "[ARGS]", "{}", "[", "}"],
    "deepseek_v3": [
        *("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "function"),
        *("<｜tool▁calls▁end｜>", "<｜tool▁sep｜>", "get-time", "\n```json\n", "{}", "\n```"),
    ],
    "deepseek_v31": [
        *("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "get-time"),
        *("<｜tool▁calls▁end｜>", "<｜tool▁sep｜>", "{}"),
    ],
    "json": ["```", "json\n", '{"name": "get-time", "arguments": ', "{}", "}", "[", "]", ",", "`"],
}
SHARED = [" ", "\n", "words", "<think>", "</think>", "[THINK]", "[/THINK]", "<", "é", '"']


def outcome(name, pieces, reasoning=None, opened=False):
    return parse(make_parser(name, reasoning, opened=opened), list(pieces))


@pytest.mark.parametrize(("name", "text"), [case[:2] for case in WHOLE] + MALFORMED)
def test_any_one_split_and_single_characters(name, text):
    text = text[:400]
    whole = outcome(name, [text])
    assert outcome(name, text) == whole
    for cut in range(len(text)):
        assert outcome(name, [text[:cut], text[cut:]]) == whole


SHORT = [
    ("hermes", " <tool_call>", None),
    ("llama3_json", '{"a":1}x ;', None),
    ("pythonic", "[get-time()]", None),
    ("mistral_args", "[TOOL_CALLS", None),
    ("json", "a ``` {} `\n", None),
    (None, "<think>\n<a>", "think"),
    (None, "[/THINK] a ", "mistral"),
]


@pytest.mark.parametrize(("name", "text", "reasoning"), SHORT)
@pytest.mark.parametrize("opened", [False, True])
def test_every_split_of_short_texts(name, text, reasoning, opened):
    whole = outcome(name, [text], reasoning, opened)
    for cuts in itertools.product((False, True), repeat=len(text) - 1):
        pieces = [text[0]]
        for character, cut in zip(text[1:], cuts, strict=True):
            if cut:
                pieces.append(character)
            else:
                pieces[-1] += character
        assert outcome(name, pieces, reasoning, opened) == whole


@pytest.mark.parametrize("name", TOOL_FORMATS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_random_splits_of_what_looks_like_markup(name, data):
    words = data.draw(st.lists(st.sampled_from(PIECES[name] + SHARED), max_size=30))
    text = "".join(words)
    reasoning = data.draw(st.sampled_from([None, *REASONING_FORMATS]))
    opened = data.draw(st.booleans())
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    pieces = [text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])]
    whole = outcome(name, [text], reasoning, opened)
    assert outcome(name, pieces, reasoning, opened) == whole
    assert outcome(name, text, reasoning, opened) == whole
    if not whole.calls and reasoning is None:
        assert whole.content == text
