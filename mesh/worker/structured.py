"""`rostra.v1.StructuredOutput` as the text of a grammar."""

from __future__ import annotations

from dataclasses import dataclass

from rostra.mesh import grammar as forms
from rostra.mesh.grammar import GrammarError
from rostra.mesh.worker.checks import Checks
from rostra.mesh.worker.model import beside_the_loop
from rostra.v1 import chat_pb2, inference_pb2, sampling_pb2

FIELD = "structured_output"


@dataclass(frozen=True)
class Grammar:
    """What outputs must follow."""

    text: str
    """For the engine; see `rostra.mesh.grammar`."""
    field: str
    """The request's field that asks for it."""


async def read_structured_output(
    request: chat_pb2.ChatRequest | inference_pb2.GenerateRequest, checks: Checks
) -> Grammar | None:
    """Reports to `checks` what cannot be; whether the grammar compiles is not known yet."""
    if not request.HasField("structured_output"):
        return None
    output = request.structured_output
    form = output.WhichOneof("form")
    if form is None:
        checks.invalid(FIELD, "must set one of its forms")
        return None
    check_sampling(request.sampling, FIELD, checks)
    field = f"{FIELD}.{form}"
    try:
        text = await beside_the_loop(output.ByteSize(), lambda: _text_of(output))
    except GrammarError as error:
        checks.invalid(field, str(error))
        return None
    return Grammar(text, field)


def check_sampling(sampling: sampling_pb2.SamplingParams, field: str, checks: Checks) -> None:
    """Reports settings that contradict a grammar, which `field` of the request asks for."""
    if sampling.ignore_eos:
        checks.invalid("sampling.ignore_eos", f"excludes {field}, which ends with an end token")
    if sampling.min_tokens:
        checks.invalid("sampling.min_tokens", f"excludes {field}, which may end before")


def _text_of(output: sampling_pb2.StructuredOutput) -> str:
    """Raises GrammarError."""
    form = output.WhichOneof("form")
    if form == "json_schema":
        return forms.json_schema(output.json_schema)
    if form == "json_object":
        if not output.json_object:
            raise GrammarError("must be true where it is set")
        return forms.json_object()
    if form == "regex":
        return forms.regex(output.regex)
    if form == "choices":
        return forms.choices(output.choices.values)
    return forms.lark(output.lark)
