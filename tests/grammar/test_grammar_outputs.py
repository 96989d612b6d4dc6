"""Whatever the model and the settings, an output that ends by itself follows its grammar."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from grammar_engine import Writer
from grammar_schemas import schemas
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.mesh import grammar as forms
from rostra.mesh.engine.messages import FinishReason

SETTINGS = [
    {"temperature": 0.0},
    {"temperature": 1.0},
    {"temperature": 2.0},
    {"temperature": 1.0, "top_k": 5},
    {"temperature": 2.0, "top_p": 0.7},
    {"temperature": 2.0, "top_k": 50, "top_p": 0.9, "min_p": 0.02},
    {"temperature": 1.0, "repetition_penalty": 1.8, "frequency_penalty": 1.5},
    {"temperature": 1.0, "logit_bias": {0: -100.0, 1: -100.0}},
    {"temperature": 1.0, "logit_bias": {0: 100.0, 5: 100.0}},
]


def check_json(text: str, finish: FinishReason, schema: dict[str, Any]) -> None:
    if finish is FinishReason.LENGTH:
        return
    assert finish is FinishReason.STOP
    jsonschema.validate(json.loads(text), schema, cls=jsonschema.Draft202012Validator)


@settings(max_examples=120, deadline=None)
@given(schema=schemas, sampling=st.sampled_from(SETTINGS), seed=st.integers(0, 2**32))
def test_outputs_under_a_schema_validate(writer, schema, sampling, seed):
    grammar = forms.json_schema(json.dumps(schema))
    text, finish = writer.write(grammar, seed=seed, **sampling)
    check_json(text, finish, schema)


def test_most_outputs_under_bounded_schemas_end_by_themselves(writer):
    """Otherwise the test above would prove little."""
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 10},
            "sizes": {"type": "array", "items": {"enum": [1, 2, 3]}, "maxItems": 4},
        },
        "required": ["name"],
        "additionalProperties": False,
    }
    grammar = forms.json_schema(json.dumps(schema))
    for seed in range(20):
        text, finish = writer.write(grammar, seed=seed, temperature=2.0)
        assert finish is FinishReason.STOP
        check_json(text, finish, schema)


RECURSIVE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "leaf": {"type": "boolean"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2},
            },
            "required": ["leaf"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize("sampling", SETTINGS, ids=str)
def test_a_schema_may_refer_to_itself(writer, sampling):
    grammar = forms.json_schema(json.dumps(RECURSIVE))
    for seed in range(3):
        check_json(*writer.write(grammar, seed=seed, **sampling), RECURSIVE)


@pytest.mark.parametrize("temperature", [0.0, 1.0, 2.0])
@pytest.mark.parametrize(
    "pattern",
    [
        r"[a-c]{3,9}",
        r"\d{4}-\d{2}-\d{2}",
        r"(GET|POST) /[a-z]{1,8}(/[0-9]{1,3})?",
        r"(?i)yes|no",
        r"^[^a-y\n]{1,4}$",
        "[äöü€😀]{2,5}",
        r"\w{1,3}\s?\W",
        r'"[^"\\]{0,5}"',
        "",
    ],
)
def test_an_expression_matches_the_whole_output(writer, pattern, temperature):
    for seed in range(3):
        text, finish = writer.write(forms.regex(pattern), seed=seed, temperature=temperature)
        assert finish is FinishReason.STOP
        assert re.fullmatch(pattern, text), text


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.text(max_size=12), min_size=1, max_size=5), seed=st.integers(0, 2**32))
def test_a_choice_is_one_of_the_values(writer, values, seed):
    text, finish = writer.write(forms.choices(values), seed=seed, temperature=2.0)
    assert finish is FinishReason.STOP
    assert text in values


CALCULATION = """
start: sum
sum: product (("+" | "-") product){0,2}
product: NUMBER ("*" NUMBER){0,2}
NUMBER: /[1-9][0-9]{0,2}/
"""
CALCULATION_IN_GBNF = """
root ::= product (("+" | "-") product){0,2}
product ::= number ("*" number){0,2}
number ::= [1-9] [0-9]{0,2}
"""


@pytest.mark.parametrize("source", [CALCULATION, CALCULATION_IN_GBNF], ids=["lark", "gbnf"])
def test_a_grammar_derives_the_output(writer, source):
    for seed in range(8):
        text, finish = writer.write(forms.lark(source), seed=seed, temperature=2.0)
        assert finish is FinishReason.STOP
        assert re.fullmatch(r"[1-9]\d{0,2}([-+*][1-9]\d{0,2}){0,8}", text)


def test_whitespace_comes_to_an_end(writer):
    """A model that likes nothing better than whitespace gets on with the value."""
    blanks = {token: 100.0 for token in range(460) if writer.tokenizer.token_bytes(token).isspace()}
    schema = {"type": "array", "items": {"type": "null"}, "maxItems": 3}
    grammar = forms.json_schema(json.dumps(schema))
    text, finish = writer.write(grammar, temperature=0.0, logit_bias=blanks)
    assert finish is FinishReason.STOP
    assert not re.search(r"\s{22}", text)
    check_json(text, finish, schema)


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["red", "green"]}, "maxItems": 3},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}


def test_the_demo_model_follows_a_schema(demo_model: Path):
    writer = Writer(demo_model)
    grammar = forms.json_schema(json.dumps(PERSON))
    requests = [
        writer.request(grammar, "Describe a person in JSON:", seed=3, max_tokens=100, **sampling)
        for sampling in SETTINGS[:4]
    ]
    for answer in writer.answers(*requests):
        assert answer.finish is FinishReason.STOP
        check_json(writer.text(answer), answer.finish, PERSON)
