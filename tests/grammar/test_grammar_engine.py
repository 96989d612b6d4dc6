"""Grammars in the engine: whatever runs beside a request, its output is the one it gets alone."""

from __future__ import annotations

import json

import pytest
from grammar_engine import Answer, Writer

from rostra.mesh import grammar as forms
from rostra.mesh.engine.admission import GrammarRefusedError
from rostra.mesh.engine.messages import EngineRequest, FinishReason
from rostra.mesh.engine.runner import Runner

PAIRS = forms.json_schema(
    json.dumps(
        {
            "type": "array",
            "minItems": 3,
            "maxItems": 6,
            "items": {
                "type": "object",
                "properties": {"a": {"type": "string", "maxLength": 6}, "b": {"enum": [1, 2]}},
                "required": ["a", "b"],
                "additionalProperties": False,
            },
        }
    )
)
DATES = forms.regex(r"(\d{4}-\d{2}-\d{2} ?){2,12}")
COLOURS = forms.choices(["red", "green", "light green"])
DOUBLING = forms.lark(
    "start: r0\n" + "".join(f"r{i}: r{i + 1} r{i + 1}\n" for i in range(60)) + 'r60: "a"\n'
)
"""Compiles, and is too much for the parser a few tokens later."""


def mixed(writer: Writer) -> list[EngineRequest]:
    """Requests with grammars among others that have none."""
    sampling = [
        {"temperature": 0.0},
        {"temperature": 1.0, "seed": 3},
        {"temperature": 2.0, "seed": 4, "top_p": 0.9},
        {"temperature": 1.0, "seed": 5, "repetition_penalty": 1.3, "frequency_penalty": 0.5},
    ]
    return [
        writer.request(grammar, prompt, max_tokens=90, **settings)
        for settings in sampling
        for grammar, prompt in ((PAIRS, "say: " * 6), (DATES, "on"), (COLOURS, "is"), ("", "hm"))
    ]


def results(answers: list[Answer]) -> list[tuple[list[int], FinishReason | None]]:
    return [(answer.ids, answer.finish) for answer in answers]


@pytest.fixture(scope="module")
def expected(writer: Writer) -> list[tuple[list[int], FinishReason | None]]:
    """Each request by itself."""
    return [results(writer.answers(request))[0] for request in mixed(writer)]


SETTINGS = [
    {},
    {"max_num_batched_tokens": 7, "max_num_seqs": 3},
    {"num_blocks": 14, "max_model_len": 200, "prefix_caching": False},
    {"speculation": "ngram"},
    {"graphs": False},
]


@pytest.mark.parametrize("overlaps", [False, True], ids=["plain", "overlapped"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_together_is_as_alone(folder, expected, monkeypatch, settings, overlaps):
    """With chunks, preemption, drafts for the others, and steps launched before the results."""
    monkeypatch.setattr(Runner, "overlaps", overlaps)
    writer = Writer(folder, **settings)
    assert results(writer.answers(*mixed(writer))) == expected
    if "num_blocks" in settings:
        assert writer.engine.load().preemptions > 0


def test_what_was_compiled_is_let_go(folder):
    writer = Writer(folder)
    writer.answers(*mixed(writer))
    assert writer.engine.grammars is not None
    assert not writer.engine.grammars._num_users


@pytest.mark.parametrize("overlaps", [False, True], ids=["plain", "overlapped"])
def test_a_grammar_that_gets_out_of_hand_ends_its_request_alone(folder, monkeypatch, overlaps):
    monkeypatch.setattr(Runner, "overlaps", overlaps)
    writer = Writer(folder)
    requests = [
        writer.request(DATES, temperature=1.0),
        writer.request(DOUBLING, temperature=1.0),
        writer.request("", max_tokens=30),
    ]
    good, bad, free = writer.answers(*requests)
    assert good.finish is FinishReason.STOP
    assert bad.finish is FinishReason.ERROR
    assert bad.error.startswith("the grammar cannot be followed: ")
    assert "\n" not in bad.error
    assert free.finish in (FinishReason.LENGTH, FinishReason.STOP)


def test_log_probabilities_are_those_before_the_mask(writer):
    asked = {"temperature": 0.0, "logprobs": 5}
    (bound,) = writer.answers(writer.request(COLOURS, **asked))
    (free,) = writer.answers(writer.request("", **asked))
    first, unbound = bound.tokens[0].logprobs, free.tokens[0].logprobs
    assert first.candidates == unbound.candidates
    assert bound.tokens[0].id != free.tokens[0].id
    assert first.logprob <= first.candidates[-1][1]


def test_an_empty_text_ends_at_once(writer):
    (answer,) = writer.answers(writer.request(forms.choices([""])))
    assert answer.finish is FinishReason.STOP
    assert len(answer.tokens) == 1


def test_what_does_not_compile_is_refused(writer):
    with pytest.raises(GrammarRefusedError, match="unknown name"):
        writer.engine.add_request(writer.request(forms.lark("start: missing")))
    assert not writer.engine.has_work
