"""One output of a chat: content, reasoning, calls, stop strings and the tokens behind them.

All of it is the same however the engine's tokens come together.
"""

from __future__ import annotations

import itertools

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.mesh.engine.messages import FinishReason, OutputToken, RequestOutput
from rostra.mesh.parsers import REASONING_FORMATS, TOOL_FORMATS, Kind, OutputParser
from rostra.mesh.text import Tokenizer
from rostra.mesh.worker.parsed_output import ParsedOutput

SPECIALS = ["<|end|>", "[TOOL_CALLS]", "[ARGS]", "<|pad|>"]
END = 0


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=SPECIALS,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(["the think </think> <think> stop here"] * 4, trainer)
    return Tokenizer(backend, eos_token_ids=frozenset({END}))


def run(tokenizer: Tokenizer, text: str, cuts=(), *, max_tokens=None, **options):
    """(content, reasoning, calls, stop string, tokens, counted tokens, reasoning tokens)."""
    parser = OutputParser(
        tools={"f": {}},
        tool_format=TOOL_FORMATS["mistral_args"],
        reasoning_format=REASONING_FORMATS["think"],
    )
    keep = [SPECIALS.index("[TOOL_CALLS]"), SPECIALS.index("[ARGS]")]
    output = ParsedOutput(tokenizer, parser, keep_special=keep, **options)
    ids = [*tokenizer.encode(text), END]
    pieces = [ids[a:b] for a, b in itertools.pairwise([0, *cuts, len(ids)])]
    texts = dict.fromkeys(Kind, "")
    tokens: list[int] = []
    stop_string = None
    for position, piece in enumerate(pieces):
        last = position == len(pieces) - 1
        taken = output.take(
            RequestOutput(
                request_id="r",
                tokens=[OutputToken(each) for each in piece],
                finish=FinishReason.STOP if last else None,
                stop_token_id=END if last else None,
            )
        )
        for event in taken.events:
            texts[event.kind] += event.text
        tokens += [token.id for token in taken.tokens]
        stop_string = stop_string or taken.stop_string
    joined = b"".join(tokenizer.token_bytes(each) for each in tokens).decode(errors="replace")
    return {
        "content": texts[Kind.CONTENT],
        "reasoning": texts[Kind.REASONING],
        "calls": texts[Kind.CALL] + texts[Kind.ARGUMENTS],
        "stop": stop_string,
        "tokens": joined,
        "counted": output.num_tokens,
        "reasoning_tokens": output.reasoning_tokens,
        "called": output.called,
    }


CALL = '[TOOL_CALLS]f[ARGS]{"a": "stop here"}'
TEXTS = [
    "<think>\nhmm stop\n</think>\n\nthe answer. " + CALL + CALL,
    "words <|pad|> and stop here and more",
    CALL + " then stop",
    "<think>never closed st",
    "[TOOL_CALLS]f[ARGS]{ stop here",
]
OPTIONS = [{}, {"stop": ["stop"]}, {"stop": ["stop here", "\n"]}, {"single_call": True}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("text", TEXTS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_how_tokens_come_together_makes_no_difference(tokenizer, text, options, data):
    whole = run(tokenizer, text, **options)
    count = len(tokenizer.encode(text)) + 1
    cuts = sorted(data.draw(st.sets(st.integers(1, count - 1), max_size=8)))
    assert run(tokenizer, text, cuts, **options) == whole
    assert run(tokenizer, text, range(1, count), **options) == whole


def test_all_tokens_come_with_the_text(tokenizer):
    for text in TEXTS:
        got = run(tokenizer, text)
        assert got["tokens"] == text + "<|end|>"
        assert got["counted"] == len(tokenizer.encode(text)) + 1


def test_markers_that_are_special_tokens_are_read_and_others_are_not_text(tokenizer):
    got = run(tokenizer, CALL)
    assert (got["content"], got["calls"], got["called"]) == ("", 'f{"a": "stop here"}', True)
    assert run(tokenizer, TEXTS[1])["content"] == "words  and stop here and more"


def test_stop_strings_are_looked_for_in_content_and_reasoning_and_not_in_calls(tokenizer):
    got = run(tokenizer, TEXTS[0], stop=["stop"])
    assert (got["reasoning"], got["content"], got["stop"]) == ("hmm ", "", "stop")
    got = run(tokenizer, CALL + " then stop now", stop=["stop"])
    assert (got["calls"], got["content"], got["stop"]) == ('f{"a": "stop here"}', "then ", "stop")
    # Line breaks around markup are not what the reader sees.
    assert run(tokenizer, "<think>\na\n</think>\nb", stop=["\n"])["stop"] is None


def test_no_stop_string_begins_in_the_reasoning_and_ends_in_the_answer(tokenizer):
    got = run(tokenizer, "<think>st</think>op", stop=["stop"])
    assert (got["reasoning"], got["content"], got["stop"]) == ("st", "op", None)


def test_a_stop_string_before_min_tokens_is_text(tokenizer):
    text = "a stop b stop c"
    first = run(tokenizer, text, stop=["stop"])
    assert first["content"] == "a "
    later = run(tokenizer, text, stop=["stop"], min_tokens=first["counted"] + 1)
    assert later["content"] == "a stop b "


def test_the_first_call_ends_the_output_where_one_is_wanted(tokenizer):
    got = run(tokenizer, "so: " + CALL + CALL, single_call=True)
    assert got["calls"] == 'f{"a": "stop here"}'
    assert got["tokens"] == "so: " + CALL
    assert got["counted"] == len(tokenizer.encode("so: " + CALL))


def test_reasoning_tokens_are_those_of_the_reasoning_and_its_markers(tokenizer):
    reasoning = "<think>hmm</think>"
    got = run(tokenizer, reasoning + "yes")
    assert got["reasoning_tokens"] == len(tokenizer.encode(reasoning))
    assert run(tokenizer, "yes")["reasoning_tokens"] == 0
    unclosed = run(tokenizer, "<think>hmm")
    assert unclosed["reasoning_tokens"] == unclosed["counted"]
