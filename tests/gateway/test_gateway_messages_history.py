"""How conversations of the Messages API become those of rostra.v1."""

from __future__ import annotations

from typing import Any

import pytest

from rostra.gateway.request_body import validate
from rostra.gateway.schemas.anthropic import MessagesRequest
from rostra.gateway.to_proto.anthropic import messages_request
from rostra.v1 import chat_pb2

ROLES = {
    chat_pb2.ROLE_SYSTEM: "system",
    chat_pb2.ROLE_USER: "user",
    chat_pb2.ROLE_ASSISTANT: "assistant",
    chat_pb2.ROLE_TOOL: "tool",
}


def request_of(*turns: Any, **fields: Any) -> chat_pb2.ChatRequest:
    body = {"model": "tiny", "max_tokens": 9, "messages": list(turns), **fields}
    return messages_request(validate(body, MessagesRequest), "msg_1")


def said(request: chat_pb2.ChatRequest) -> list[tuple[str, str]]:
    return [
        (ROLES[message.role], "".join(part.text for part in message.content))
        for message in request.messages
    ]


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def text(value: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **fields}


def result(call: str, content: Any = None, **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call, "content": content, **fields}


def call(name: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": name, "name": "weather", "input": {"of": name}}


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([user("a")], [("user", "a")]),
        ([user([text("a"), text("b", cache_control={"type": "ephemeral"})])], [("user", "ab")]),
        # Turns of one speaker are one turn.
        (
            [user("a"), user("b"), assistant("c"), assistant("d"), user("e")],
            [("user", "a\nb"), ("assistant", "c\nd"), ("user", "e")],
        ),
        (
            [user("a"), {"role": "system", "content": "s"}, user("b")],
            [("user", "a"), ("system", "s"), ("user", "b")],
        ),
        ([user("")], [("user", "")]),
        ([user([])], [("user", "")]),
    ],
)
def test_turns(turns: Any, expected: Any) -> None:
    assert said(request_of(*turns)) == expected


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("Be brief.", [("system", "Be brief."), ("user", "a")]),
        ([text("Be "), text("brief.")], [("system", "Be brief."), ("user", "a")]),
        ("", [("user", "a")]),
        ([], [("user", "a")]),
        (None, [("user", "a")]),
    ],
)
def test_system_prompts(system: Any, expected: Any) -> None:
    assert said(request_of(user("a"), system=system)) == expected


def test_results_stand_where_they_were() -> None:
    request = request_of(
        user("a"),
        assistant([text("I look."), call("x"), call("y")]),
        user([result("x", "1"), result("y", [text("2"), text("3")]), text("b"), text("c")]),
    )
    assert said(request) == [
        ("user", "a"),
        ("assistant", "I look."),
        ("tool", "1"),
        ("tool", "23"),
        ("user", "bc"),
    ]
    assert [each.tool_call_id for each in request.messages] == ["", "", "x", "y", ""]
    assert [each.arguments for each in request.messages[1].tool_calls] == [
        '{"of":"x"}',
        '{"of":"y"}',
    ]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (result("x"), ""),
        (result("x", ""), ""),
        (result("x", "no", is_error=False), "no"),
        (result("x", "no", is_error=True), "Error: no"),
        (result("x", is_error=True), "Error"),
    ],
)
def test_failed_calls(block: Any, expected: str) -> None:
    request = request_of(user("a"), assistant([call("x")]), user([block]))
    assert said(request)[-1] == ("tool", expected)


def test_reasoning_of_earlier_turns() -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "abc"}
    hidden = {"type": "thinking", "thinking": "", "signature": ""}
    redacted = {"type": "redacted_thinking", "data": "xyz"}
    request = request_of(
        user("a"),
        assistant([thinking, redacted, text("b")]),
        user("c"),
        assistant([hidden, text("d")]),
        user("e"),
    )
    assert request.messages[1].reasoning == "Hm."
    assert not request.messages[3].HasField("reasoning")
    assert [each for each in said(request) if each[0] == "assistant"] == [
        ("assistant", "b"),
        ("assistant", "d"),
    ]


def test_prefills() -> None:
    assert request_of(user("a"), assistant("b ")).continue_final_message
    assert request_of(assistant("b")).continue_final_message
    joined = request_of(user("a"), assistant("b"), assistant(""))
    assert joined.continue_final_message
    assert said(joined)[-1] == ("assistant", "b")
    nothing = request_of(user("a"), assistant([]))
    assert not nothing.HasField("continue_final_message")
    assert said(nothing) == [("user", "a")]


@pytest.mark.parametrize(
    ("thinking", "variables"),
    [
        (None, {}),
        ({"type": "adaptive"}, {}),
        ({"type": "enabled"}, {"enable_thinking": "true"}),
        ({"type": "disabled"}, {"enable_thinking": "false"}),
    ],
)
def test_thinking(thinking: Any, variables: dict[str, str]) -> None:
    assert dict(request_of(user("a"), thinking=thinking).template_variables) == variables


def test_tools() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [
        {"name": "a", "description": "b", "input_schema": schema, "strict": True},
        {"type": "custom", "name": "c", "input_schema": {}, "cache_control": None},
    ]
    request = request_of(user("a"), tools=tools)
    first, second = request.tools
    assert (first.name, first.description, first.strict) == ("a", "b", True)
    assert first.parameters_schema == '{"type":"object","properties":{"city":{"type":"string"}}}'
    assert (second.name, second.HasField("description"), second.HasField("strict")) == (
        "c",
        False,
        False,
    )
    assert not request.HasField("tool_choice")


def test_the_older_name_of_a_format() -> None:
    older = {"type": "json_schema", "schema": {"type": "array"}}
    request = request_of(user("a"), output_format=older)
    assert request.structured_output.json_schema == '{"type":"array"}'


def test_many_turns_of_one_speaker() -> None:
    """Each is looked at once: the work grows with their number, not with its square."""
    thinking = {"type": "thinking", "thinking": "x" * 20, "signature": ""}
    request = request_of(*[assistant([thinking, text("y")]) for _ in range(20_000)])
    assert len(request.messages) == 1
    assert len(request.messages[0].reasoning) == 400_000
    assert request.messages[0].content[0].text.count("y") == 20_000
