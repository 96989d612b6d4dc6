"""Reasoning is told from the answer."""

from __future__ import annotations

import pytest
from parser_cases import TIME, make_parser, parse

from rostra.mesh.parsers import REASONING_FORMATS, Kind

CALL = '<tool_call>{"name": "get-time"}</tool_call>'

# (what the model wrote, whether the prompt opened the marker, reasoning, content)
CASES = [
    ("<think>\nWell.\n</think>\n\nYes.", False, "Well.", "Yes."),
    ("\n<think>Well.</think>Yes.\n", False, "Well.", "Yes.\n"),
    ("Well.\n</think>\n\nYes.", True, "Well.", "Yes."),
    ("<think>\nWell.</think>Yes.", True, "Well.", "Yes."),
    ("<think>\n\n</think>\n\nYes.", False, "", "Yes."),
    ("</think>\nYes.", True, "", "Yes."),
    ("</thinking</think>Yes.", True, "</thinking", "Yes."),
    ("Yes. <think>No.</think>", False, "", "Yes. <think>No.</think>"),
    ("Well, </think Yes.", True, "Well, </think Yes.", ""),
    ("<think>Well,\n", False, "Well,\n", ""),
    ("</think>Yes.", False, "", "</think>Yes."),
    ("<thin", False, "", "<thin"),
    ("<thin", True, "<thin", ""),
]


@pytest.mark.parametrize(("text", "opened", "reasoning", "content"), CASES)
def test_think_tags(text, opened, reasoning, content):
    outcome = parse(make_parser(None, "think", opened=opened), list(text))
    assert (outcome.reasoning, outcome.content) == (reasoning, content)


def test_markers_of_mistral():
    outcome = parse(make_parser(None, "mistral"), ["[THINK]Hm [TH[/THINK]Yes"])
    assert (outcome.reasoning, outcome.content) == ("Hm [TH", "Yes")


def test_without_a_format_it_is_content():
    assert parse(make_parser("hermes"), ["<think>a</think>b"]).content == "<think>a</think>b"


def test_calls_come_after_the_reasoning_and_not_in_it():
    outcome = parse(make_parser("hermes", "think"), [f"<think>I do {CALL}.</think>\n{CALL}"])
    assert outcome.reasoning == f"I do {CALL}."
    assert outcome.calls == [TIME]


def test_it_streams_and_is_counted_with_its_markers():
    parser = make_parser(None, "think")
    assert parser.reasoning_end == 0
    assert [(event.kind, event.text) for event in parser.push("<think>one")] == [
        (Kind.REASONING, "one")
    ]
    assert [event.text for event in parser.push(" two")] == [" two"]
    assert parser.reasoning_end == len("<think>one two")
    parser.push("</think>\n")
    parser.push("three")
    assert parser.reasoning_end == len("<think>one two</think>")


@pytest.mark.parametrize("reasoning_format", REASONING_FORMATS.values(), ids=str)
def test_what_the_prompt_says_of_it(reasoning_format):
    begin, end = reasoning_format.begin, reasoning_format.end
    assert reasoning_format.opened_by(f"assistant\n{begin}\n")
    assert not reasoning_format.opened_by(f"assistant\n{begin}\n\n{end}\n\n")
    assert reasoning_format.left_open(f"{begin}Well")
    assert not reasoning_format.left_open(f"{begin}Well{end}Yes")
    assert not reasoning_format.left_open("Yes")
