"""However a worker cuts its output into messages, a Message is the same: whole, and as the official
client puts it together."""

from __future__ import annotations

import json
from typing import Any

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from rostra.gateway.answers.anthropic import MessageEvents, whole_message
from rostra.gateway.schemas.answers import anthropic as models
from rostra.v1 import chat_pb2, control_pb2, tokens_pb2

MODEL = control_pb2.ModelInfo(name="tiny")
EVENT: TypeAdapter[Any] = TypeAdapter(models.MessageEvent)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
INPUTS = st.dictionaries(st.text(max_size=4), VALUES, max_size=3)
FINISHES = st.sampled_from(
    [
        (tokens_pb2.Finish(reason=tokens_pb2.FINISH_REASON_STOP), "end_turn"),
        (
            tokens_pb2.Finish(reason=tokens_pb2.FINISH_REASON_STOP, stop_string="."),
            "stop_sequence",
        ),
        (tokens_pb2.Finish(reason=tokens_pb2.FINISH_REASON_LENGTH), "max_tokens"),
    ]
)


@st.composite
def pieces(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=6)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    return [part for part in parts if part]


@st.composite
def outputs(draw: st.DrawFn) -> tuple[str, str, list[dict[str, Any]], list[chat_pb2.ChatDelta]]:
    """Reasoning, text and the inputs of calls; and the same as the deltas of one worker."""
    thinking, text = draw(st.text(max_size=12)), draw(st.text(max_size=12))
    inputs = draw(st.lists(INPUTS, max_size=3))
    deltas = [chat_pb2.ChatDelta(reasoning=piece) for piece in draw(pieces(thinking))]
    deltas += [chat_pb2.ChatDelta(content=piece) for piece in draw(pieces(text))]
    for index, value in enumerate(inputs):
        calls = [chat_pb2.ToolCallDelta(index=index, id=f"call_{index}", name="weather")]
        calls += [
            chat_pb2.ToolCallDelta(index=index, arguments=piece)
            for piece in draw(pieces(json.dumps(value, ensure_ascii=draw(st.booleans()))))
        ]
        if draw(st.booleans()):
            # The first piece may come with the name.
            calls[0].arguments = calls.pop(1).arguments
        deltas += [chat_pb2.ChatDelta(tool_calls=[call]) for call in calls]
    return thinking, text, inputs, deltas


def joined(deltas: list[chat_pb2.ChatDelta]) -> chat_pb2.ChatDelta:
    """What a slow reader is sent: one delta with all that piled up."""
    total = chat_pb2.ChatDelta()
    for delta in deltas:
        total.content += delta.content
        total.reasoning += delta.reasoning
        total.tool_calls.extend(delta.tool_calls)
    return total


def accumulated(events: list[dict[str, Any]]) -> Any:
    """By the official client, after a trip over the wire."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in json.loads(json.dumps(events)):
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    return snapshot


@settings(max_examples=150, deadline=None)
@given(outputs(), FINISHES, st.booleans(), st.data())
def test_every_split(output: Any, ending: Any, finish_alone: bool, data: Any) -> None:
    thinking, text, inputs, deltas = output
    finish, stop_reason = ending
    if inputs and stop_reason == "end_turn":
        finish = tokens_pb2.Finish(reason=tokens_pb2.FINISH_REASON_TOOL_CALLS)
        stop_reason = "tool_use"
    usage = tokens_pb2.Usage(
        prompt_tokens=7, cached_prompt_tokens=3, completion_tokens=5, reasoning_tokens=2
    )
    messages = [chat_pb2.ChatResponse(request_id="a", prompt_tokens=7)]
    while deltas:
        count = data.draw(st.integers(1, len(deltas)))
        messages.append(chat_pb2.ChatResponse(delta=joined(deltas[:count])))
        deltas = deltas[count:]
    if finish_alone:
        messages.append(chat_pb2.ChatResponse())
    messages[-1].finish.CopyFrom(finish)
    messages[-1].usage.CopyFrom(usage)

    builder = MessageEvents("msg_1", tools=True, show_thinking=True)
    events = [event for message in messages for event in builder.of(message, MODEL)]
    events += builder.end()

    for event in events:
        EVENT.validate_python(event)
    snapshot = accumulated(events)
    whole = whole_message(events)
    models.MessageAnswer.model_validate(whole)
    assert Message.model_validate(snapshot.to_dict()) == Message.model_validate(whole)

    expected: list[dict[str, Any]] = []
    if thinking:
        expected.append({"type": "thinking", "thinking": thinking, "signature": ""})
    if text:
        expected.append({"type": "text", "text": text})
    expected += [
        {"type": "tool_use", "id": f"call_{index}", "name": "weather", "input": value}
        for index, value in enumerate(inputs)
    ]
    assert whole["content"] == expected
    assert whole["stop_reason"] == stop_reason
    assert whole["usage"]["input_tokens"] + whole["usage"]["cache_read_input_tokens"] == 7


@settings(max_examples=60, deadline=None)
@given(INPUTS, st.data())
def test_an_answer_that_ends_inside_a_call(value: dict[str, Any], data: Any) -> None:
    """As far as it goes, the input is the same in both forms."""
    arguments = json.dumps(value)
    arguments = arguments[: data.draw(st.integers(0, len(arguments)))]
    call = chat_pb2.ToolCallDelta(index=0, id="call_0", name="weather", arguments=arguments)
    builder = MessageEvents("msg_1", tools=True, show_thinking=True)
    message = chat_pb2.ChatResponse(
        delta=chat_pb2.ChatDelta(tool_calls=[call]),
        finish=tokens_pb2.Finish(reason=tokens_pb2.FINISH_REASON_LENGTH),
        usage=tokens_pb2.Usage(),
    )
    events = builder.of(message, MODEL) + builder.end()
    snapshot = accumulated(events)
    [block] = whole_message(events)["content"]
    assert snapshot.content[0].input == block["input"]
