"""Outputs follow the grammar that a request asks for, for every form and kind of call."""

from __future__ import annotations

import json
import re

import grpc
import jsonschema
import pytest
from worker_harness import Service, chat, collect, generate, refused

from rostra.v1 import sampling_pb2

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
CALLS = {"Chat": chat, "Generate": generate}


def structured(**form: object) -> sampling_pb2.StructuredOutput:
    return sampling_pb2.StructuredOutput(**form)


def choices(*values: str) -> sampling_pb2.StructuredOutput:
    return structured(choices=sampling_pb2.Choices(values=values))


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("temperature", [0.0, 1.0, 2.0])
async def test_a_schema_is_followed(service: Service, method: str, temperature: float):
    asked = structured(json_schema=json.dumps(SCHEMA))
    request = CALLS[method](
        structured_output=asked, temperature=temperature, seed=3, n=4, max_tokens=400
    )
    got = await collect(getattr(service.inference, method)(request), n=4)
    for index in range(4):
        assert got.reason(index) == "STOP"
        jsonschema.validate(json.loads(got.texts[index]), SCHEMA)


async def test_an_expression_is_matched_from_end_to_end(service: Service):
    # Not \d: the digits of other scripts that Unicode has got since are none to Python's re.
    pattern = r"\+[0-9]{2} ([0-9]{3}-){2}[0-9]{4}"
    got = await collect(
        service.inference.Generate(generate(structured_output=structured(regex=pattern)))
    )
    assert re.fullmatch(pattern, got.texts[0])
    assert got.reason() == "STOP"


@pytest.mark.parametrize("values", [("yes", "no"), ('é\n"x"', "a/b \\ c", " a", "ab"), ("",)])
async def test_one_of_the_choices_comes(service: Service, values: tuple[str, ...]):
    for seed in range(4):
        request = chat(structured_output=choices(*values), seed=seed)
        got = await collect(service.inference.Chat(request))
        assert got.texts.get(0, "") in values


@pytest.mark.parametrize(
    "source",
    [
        'start: "<" NAME ("," NAME)* ">"\nNAME: /[a-z]{1,3}/',
        'root ::= "<" [a-z]{1,3} ("," "b")* ">"',
    ],
    ids=["lark", "gbnf"],
)
async def test_a_grammar_is_followed(service: Service, source: str):
    request = generate(structured_output=structured(lark=source), max_tokens=200)
    got = await collect(service.inference.Generate(request))
    assert re.fullmatch(r"<[a-z]{1,3}(,[a-z]{1,3})*(>)?", got.texts[0])


async def test_any_object(service: Service):
    request = generate(structured_output=structured(json_object=True), max_tokens=300, seed=5)
    got = await collect(service.inference.Generate(request))
    assert got.texts[0].startswith("{")
    if got.reason() == "STOP":
        assert isinstance(json.loads(got.texts[0]), dict)


REFUSED = {
    "structured_output": structured(),
    "structured_output.json_object": structured(json_object=False),
    "structured_output.choices": structured(choices=sampling_pb2.Choices()),
    "structured_output.json_schema": structured(json_schema='{"not": {}}'),
    "structured_output.regex": structured(regex="a(?=b)"),
    "structured_output.lark": structured(lark="start: missing"),
}


@pytest.mark.parametrize("field", REFUSED)
@pytest.mark.parametrize("method", CALLS)
async def test_what_cannot_be_followed_is_refused_by_name(
    service: Service, method: str, field: str
):
    request = CALLS[method](structured_output=REFUSED[field])
    refusal = await refused(getattr(service.inference, method)(request))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.violations == {field: "invalid_value"}


@pytest.mark.parametrize("setting", [{"ignore_eos": True}, {"min_tokens": 3}])
async def test_settings_that_contradict_a_grammar_are_refused(service: Service, setting: dict):
    request = generate(structured_output=choices("a"), max_tokens=9, **setting)
    refusal = await refused(service.inference.Generate(request))
    assert refusal.violations == {f"sampling.{name}": "invalid_value" for name in setting}
