"""However a worker cuts its output into messages, the answer is the same."""

from __future__ import annotations

from typing import Any

from gateway_harness import finish, token, usage
from hypothesis import given, settings
from hypothesis import strategies as st

from rostra.gateway.answers import chat, completions
from rostra.v1 import chat_pb2, inference_pb2, tokens_pb2

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


def interleaved(draw: Any, groups: list[list[Any]]) -> list[tuple[int, Any, bool]]:
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


TURN = st.fixed_dictionaries(
    {
        "reasoning": st.text(max_size=8),
        "content": st.text(max_size=8),
        "calls": st.lists(st.tuples(st.text(min_size=1, max_size=4), st.text(max_size=8))),
    }
)


def pieces_of(draw: Any, text: str) -> list[str]:
    """The text, cut anywhere."""
    cuts = sorted(draw.draw(st.sets(st.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def deltas_of(draw: Any, turn: dict[str, Any]) -> list[chat_pb2.ChatDelta]:
    """What a worker may send for a turn: neighbours in one message or in several."""
    parts = [chat_pb2.ChatDelta(reasoning=one) for one in pieces_of(draw, turn["reasoning"])]
    parts += [chat_pb2.ChatDelta(content=one) for one in pieces_of(draw, turn["content"])]
    for index, (name, arguments) in enumerate(turn["calls"]):
        first, *rest = pieces_of(draw, arguments)
        delta = chat_pb2.ToolCallDelta(index=index, id=f"c{index}", name=name, arguments=first)
        parts.append(chat_pb2.ChatDelta(tool_calls=[delta]))
        for one in rest:
            delta = chat_pb2.ToolCallDelta(index=index, arguments=one)
            parts.append(chat_pb2.ChatDelta(tool_calls=[delta]))
    deltas = [parts[0]]
    for part in parts[1:]:
        if draw.draw(st.booleans()):
            deltas[-1].MergeFrom(joined(deltas[-1], part))
        else:
            deltas.append(part)
    return deltas


def joined(before: chat_pb2.ChatDelta, part: chat_pb2.ChatDelta) -> chat_pb2.ChatDelta:
    return chat_pb2.ChatDelta(
        content=before.content + part.content,
        reasoning=before.reasoning + part.reasoning,
        tool_calls=part.tool_calls,
    )


def streamed_message(chunks: list[Any]) -> dict[str, Any]:
    """A message put together as clients do: strings joined, calls by their index."""
    message: dict[str, Any] = {"content": None, "reasoning_content": "", "calls": []}
    for chunk in chunks:
        delta = chunk["delta"]
        if delta.get("content") is not None:
            message["content"] = (message["content"] or "") + delta["content"]
        message["reasoning_content"] += delta.get("reasoning_content", "")
        for piece in delta.get("tool_calls", ()):
            if piece["index"] == len(message["calls"]):
                message["calls"].append([piece["id"], piece["function"]["name"], ""])
            message["calls"][piece["index"]][2] += piece["function"]["arguments"]
    return message


@settings(max_examples=80, deadline=None)
@given(st.lists(TURN, min_size=1, max_size=2), st.data())
def test_calls_and_reasoning(turns: list[dict[str, Any]], data: Any) -> None:
    choices = chat.ChatChoices(len(turns), logprobs=False, tools=True)
    groups = [[[delta] for delta in deltas_of(data, turn)] for turn in turns]
    order = interleaved(data, groups)
    chunks = []
    for position, (index, (delta,), ends) in enumerate(order):
        reason = tokens_pb2.FINISH_REASON_STOP
        if turns[index]["calls"]:
            reason = tokens_pb2.FINISH_REASON_TOOL_CALLS
        last = position == len(order) - 1
        chunks += choices.of(
            chat_pb2.ChatResponse(
                index=index,
                delta=delta,
                finish=finish(reason) if ends else None,
                usage=usage() if last else None,
            )
        )
    choices.end()
    for index, turn in enumerate(turns):
        mine = [chunk for chunk in chunks if chunk["index"] == index]
        assert [list(chunk["delta"]) for chunk in mine].count(["role", "content", "refusal"]) == 1
        whole = chat.whole_choices(chunks, len(turns))[index]
        message, streamed = whole["message"], streamed_message(mine)
        calls = [
            [call["id"], call["function"]["name"], call["function"]["arguments"]]
            for call in message.get("tool_calls", ())
        ]
        assert calls == streamed["calls"]
        assert calls == [[f"c{i}", *call] for i, call in enumerate(turn["calls"])]
        assert message["content"] == (turn["content"] or (None if calls else ""))
        assert (message["content"] or "") == (streamed["content"] or "")
        assert streamed["content"] is None or message["content"] is not None
        assert message.get("reasoning_content", "") == turn["reasoning"]
        assert streamed["reasoning_content"] == turn["reasoning"]
        assert whole["finish_reason"] == ("tool_calls" if calls else "stop")


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
