"""However a worker cuts its output into messages, the response is the same, and the events add up
to it."""

from __future__ import annotations

from typing import Any

from gateway_harness import finish, token, usage
from hypothesis import given, settings
from hypothesis import strategies as st
from responses_harness import anonymous

from rostra.gateway.answers.responses import ResponseAnswer
from rostra.gateway.schemas.responses import ResponseRequest
from rostra.v1 import chat_pb2, tokens_pb2

Piece = tuple[str, int, str]
"""`reasoning`, `content` or `call`; which call; a word of it."""

WORDS = st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=5)
KINDS = ("reasoning", "content", "call")


@st.composite
def outputs(draw: st.DrawFn) -> list[Piece]:
    """What a model may write: thoughts, text and calls, each of them or none, in that order."""
    pieces: list[Piece] = []
    for kind in KINDS[:2]:
        if draw(st.booleans()):
            pieces += [(kind, 0, word) for word in draw(WORDS)]
    for index in range(draw(st.integers(0, 3))):
        pieces += [("call", index, word) for word in draw(st.just([]) | WORDS) or [""]]
    return pieces


@st.composite
def cut(draw: st.DrawFn, pieces: list[Piece]) -> list[list[Piece]]:
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(pieces) - 1)))) | {len(pieces)})
    return [pieces[a:b] for a, b in zip([0, *cuts], cuts, strict=False)]


def messages(groups: list[list[Piece]], logprobs: bool, reason: int) -> list[Any]:
    """One message for each group; the first piece of a call carries its name, too."""
    begun: set[int] = set()
    sent = []
    for group in groups:
        delta = chat_pb2.ChatDelta()
        for kind, index, word in group:
            if kind == "call":
                piece = delta.tool_calls.add(index=index, arguments=word)
                if index not in begun:
                    begun.add(index)
                    piece.id, piece.name = f"call_{index}", f"tool_{index}"
            else:
                setattr(delta, kind, getattr(delta, kind) + word)
                # Where two kinds of text meet in one message, nobody can tell their tokens apart.
                if logprobs and kind == "content" and not delta.reasoning:
                    delta.tokens.append(token(word))
        sent.append(chat_pb2.ChatResponse(delta=delta))
    return [*sent, chat_pb2.ChatResponse(finish=finish(reason), usage=usage())]


def respond(sent: list[Any], **fields: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    tools = [{"type": "function", "name": f"tool_{number}"} for number in range(3)]
    body = {"model": "tiny", "input": "hi", "tools": tools, **fields}
    answer = ResponseAnswer(ResponseRequest.model_validate(body), store=True)
    events = [event for message in sent for event in answer.of(message, "tiny")]
    whole = answer.end()
    return [*events, answer.last_event(whole)], whole


def added_up(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items, put together as a client does."""
    items: list[dict[str, Any]] = []
    for event in events:
        match event["type"].removeprefix("response."):
            case "output_item.added":
                assert event["output_index"] == len(items)
                items.append(event["item"])
            case "content_part.added":
                items[event["output_index"]]["content"].append(event["part"])
            case "output_text.delta":
                part = items[event["output_index"]]["content"][event["content_index"]]
                part["text"] += event["delta"]
                part["logprobs"] = part["logprobs"] + event["logprobs"]
            case "reasoning_text.delta":
                part = items[event["output_index"]]["content"][event["content_index"]]
                part["text"] += event["delta"]
            case "function_call_arguments.delta":
                items[event["output_index"]]["arguments"] += event["delta"]
            case "output_item.done":
                items[event["output_index"]]["status"] = event["item"]["status"]
    return items


@settings(max_examples=150, deadline=None)
@given(outputs(), st.data(), st.booleans(), st.booleans())
def test_responses(pieces: list[Piece], data: Any, ends_early: bool, finish_alone: bool) -> None:
    called = any(kind == "call" for kind, _, _ in pieces)
    reason = tokens_pb2.FINISH_REASON_TOOL_CALLS if called else tokens_pb2.FINISH_REASON_STOP
    if ends_early:
        reason = tokens_pb2.FINISH_REASON_LENGTH
    groups = data.draw(cut(pieces))
    one_each = messages([[piece] for piece in pieces], False, reason)
    sent = messages(groups, False, reason)
    if not finish_alone and len(sent) > 1:
        end = sent.pop()
        sent[-1].finish.CopyFrom(end.finish)
        sent[-1].usage.CopyFrom(end.usage)

    events, whole = respond(sent)
    assert anonymous(whole) == anonymous(respond(one_each)[1])
    assert added_up(events) == whole["output"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    said = {kind: "".join(word for k, _, word in pieces if k == kind) for kind in KINDS}
    for item in whole["output"]:
        if item["type"] != "function_call":
            kind = {"message": "content", "reasoning": "reasoning"}[item["type"]]
            assert item["content"][0]["text"] == said[kind]
    arguments = [item["arguments"] for item in whole["output"] if item["type"] == "function_call"]
    assert "".join(arguments) == said["call"]
    unfinished = [item for item in whole["output"] if item["status"] != "completed"]
    assert unfinished == (whole["output"][-1:] if ends_early else [])


@settings(max_examples=50, deadline=None)
@given(WORDS, st.data())
def test_logprobs(words: list[str], data: Any) -> None:
    pieces: list[Piece] = [("content", 0, word) for word in words]
    sent = messages(data.draw(cut(pieces)), True, tokens_pb2.FINISH_REASON_STOP)
    events, whole = respond(sent, include=["message.output_text.logprobs"])
    assert added_up(events) == whole["output"]
    part = whole["output"][0]["content"][0]
    assert [one["token"] for one in part["logprobs"]] == words
    assert part["text"] == "".join(words)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KINDS[:2]), WORDS), max_size=6), st.data())
def test_kinds_of_text_in_any_order(runs: list[tuple[str, list[str]]], data: Any) -> None:
    """Cuts may move a thought before or after a text here, and never lose or mix any."""
    pieces: list[Piece] = [(kind, 0, word) for kind, words in runs for word in words]
    events, whole = respond(messages(data.draw(cut(pieces)), False, tokens_pb2.FINISH_REASON_STOP))
    assert added_up(events) == whole["output"]
    for kind, type_ in (("content", "message"), ("reasoning", "reasoning")):
        written = [i["content"][0]["text"] for i in whole["output"] if i["type"] == type_]
        assert "".join(written) == "".join(word for k, _, word in pieces if k == kind)
