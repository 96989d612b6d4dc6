"""However a worker cuts its output into messages, the answer is the same."""

from __future__ import annotations

from typing import Any

from gateway_harness import finish, token, usage
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.gateway.answers import chat, completions
from rostra.v1 import chat_pb2, inference_pb2

WORDS = st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=12)


@st.composite
def outputs_and_cuts(draw: st.DrawFn) -> tuple[list[list[str]], list[list[list[str]]]]:
    """The words of one to three outputs, and a way to group the words of each."""
    outputs = draw(st.lists(WORDS, min_size=1, max_size=3))
    groups = []
    for words in outputs:
        cuts = sorted(draw(st.sets(st.integers(1, len(words)), max_size=len(words))) | {len(words)})
        groups.append([words[a:b] for a, b in zip([0, *cuts], cuts, strict=False)])
    return outputs, groups


def interleaved(draw: Any, groups: list[list[list[str]]]) -> list[tuple[int, list[str], bool]]:
    """(index, words, whether the output ends here), in any order that keeps each output's own."""
    left = {index: list(parts) for index, parts in enumerate(groups)}
    order = []
    while left:
        index = draw.draw(st.sampled_from(sorted(left)))
        words = left[index].pop(0)
        order.append((index, words, not left[index]))
        if not left[index]:
            del left[index]
    return order


@settings(max_examples=60, deadline=None)
@given(outputs_and_cuts(), st.data(), st.booleans())
def test_chat(case: Any, data: Any, logprobs: bool) -> None:
    outputs, groups = case
    choices = chat.ChatChoices(len(outputs), logprobs=logprobs)
    chunks = []
    order = interleaved(data, groups)
    for position, (index, words, ends) in enumerate(order):
        delta = chat_pb2.ChatDelta(
            content="".join(words), tokens=[token(w) for w in words] if logprobs else ()
        )
        last = position == len(order) - 1
        chunks += choices.of(
            chat_pb2.ChatResponse(
                index=index,
                delta=delta,
                finish=finish() if ends else None,
                usage=usage() if last else None,
            )
        )
    choices.end()
    for index, words in enumerate(outputs):
        whole = chat.whole_choices(chunks, len(outputs))[index]
        streamed = "".join(c["delta"].get("content", "") for c in chunks if c["index"] == index)
        assert whole["message"]["content"] == "".join(words) == streamed
        assert whole["finish_reason"] == "stop"
        if logprobs:
            assert [one["token"] for one in whole["logprobs"]["content"]] == words


@settings(max_examples=60, deadline=None)
@given(outputs_and_cuts(), st.data(), st.sampled_from([None, 0, 2]))
def test_completions(case: Any, data: Any, logprobs: int | None) -> None:
    outputs, groups = case
    choices = completions.CompletionChoices(
        len(outputs), first_index=0, echo="prompt", logprobs=logprobs
    )
    chunks = []
    if logprobs is not None:
        prompt = inference_pb2.GenerateResponse(prompt=[token("prompt")])
        chunks += choices.of(prompt)
    order = interleaved(data, groups)
    for position, (index, words, ends) in enumerate(order):
        delta = inference_pb2.GenerateDelta(text="".join(words), tokens=[token(w) for w in words])
        last = position == len(order) - 1
        chunks += choices.of(
            inference_pb2.GenerateResponse(
                index=index,
                delta=delta,
                finish=finish() if ends else None,
                usage=usage() if last else None,
            )
        )
    choices.end()
    for index, words in enumerate(outputs):
        whole = completions.whole_choices(chunks, len(outputs))[index]
        streamed = "".join(c["text"] for c in chunks if c["index"] == index)
        assert whole["text"] == "prompt" + "".join(words) == streamed
        if logprobs is not None:
            tokens = whole["logprobs"]["tokens"]
            assert tokens == ["prompt", *words]
            starts = whole["logprobs"]["text_offset"]
            assert all(whole["text"][a:].startswith(t) for a, t in zip(starts, tokens, strict=True))
            assert {len(values) for values in whole["logprobs"].values()} == {len(tokens)}
