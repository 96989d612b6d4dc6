"""/v1/responses: the object, its stream, and what reaches the worker."""

from __future__ import annotations

from typing import Any

from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, call, finish, plays, token, usage
from responses_harness import ASK, SCHEMA, TIME, WEATHER, anonymous, ask, kinds, stream

from rostra.v1 import chat_pb2, tokens_pb2

LOGPROBS = ["message.output_text.logprobs"]
EVERYTHING = (
    chat_pb2.ChatDelta(reasoning="Let me "),
    chat_pb2.ChatDelta(reasoning="see."),
    chat_pb2.ChatDelta(content="I will "),
    chat_pb2.ChatDelta(content="ask."),
    *call("weather", '{"city": "Rome"}', call_id="a"),
    *call("time", "{}", index=1, call_id="b", pieces=1),
)


async def test_the_whole_object(client: TestClient) -> None:
    response = await ask(
        client, metadata={"team": "a"}, max_output_tokens=9, instructions="Be kind."
    )
    assert response["id"].startswith("resp_")
    assert response["completed_at"] >= response["created_at"]
    message = response["output"][0]
    assert message["id"].startswith("msg_")
    assert anonymous(response) == {
        "object": "response",
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": "Be kind.",
        "max_output_tokens": 9,
        "max_tool_calls": None,
        "metadata": {"team": "a"},
        "model": "tiny",
        "output": [
            {
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [
                    {
                        "type": "output_text",
                        "text": "Hello world",
                        "annotations": [],
                        "logprobs": [],
                    }
                ],
            }
        ],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": None},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": {
            "input_tokens": 3,
            "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
            "output_tokens": 2,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 5,
        },
        "user": None,
    }


async def test_settings_are_told_again(client: TestClient) -> None:
    form = {"type": "json_schema", "name": "place", "schema": SCHEMA}
    asked: dict[str, Any] = {
        "temperature": 0.5,
        "top_p": 0.9,
        "tools": [WEATHER, TIME],
        "tool_choice": {"type": "function", "name": "time"},
        "parallel_tool_calls": False,
        "max_tool_calls": 3,
        "reasoning": {"effort": "low", "summary": "auto"},
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
    }
    response = await ask(client, **asked, text={"format": form}, store=False)
    asked["tools"] = [
        {**WEATHER, "strict": True},
        {**TIME, "description": None, "parameters": None},
    ]
    assert {name: response[name] for name in asked} == asked
    assert response["text"]["format"] == {**form, "description": None, "strict": True}
    assert response["store"] is False


async def test_a_stream_of_text(client: TestClient) -> None:
    events = await stream(client)
    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    created, last = events[0]["response"], events[-1]["response"]
    assert (created["status"], created["output"], created["usage"]) == ("in_progress", [], None)
    assert (events[2]["item"]["status"], events[2]["item"]["content"]) == ("in_progress", [])
    assert [event["delta"] for event in events[4:6]] == ["Hello", " world"]
    assert events[8]["item"] == last["output"][0]
    assert created["id"] == last["id"]
    assert anonymous(last) == anonymous(await ask(client))


async def test_reasoning_text_and_calls_are_items(
    client: TestClient, worker: ScriptedWorker
) -> None:
    worker.script = plays(*EVERYTHING)
    response = await ask(client, tools=[WEATHER, TIME])
    reasoning, message, weather, time = response["output"]
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "Let me see."}]
    assert reasoning["summary"] == []
    assert message["content"][0]["text"] == "I will ask."
    assert anonymous(weather) == {
        "type": "function_call",
        "status": "completed",
        "call_id": "a",
        "name": "weather",
        "arguments": '{"city": "Rome"}',
    }
    assert (time["call_id"], time["name"], time["arguments"]) == ("b", "time", "{}")

    events = await stream(client, tools=[WEATHER, TIME])
    assert kinds(events)[2:-1] == [
        *("output_item.added", "content_part.added"),
        *("reasoning_text.delta", "reasoning_text.delta", "reasoning_text.done"),
        *("content_part.done", "output_item.done"),
        *("output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done"),
        "output_item.added",
        *("function_call_arguments.delta", "function_call_arguments.delta"),
        *("function_call_arguments.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta"),
        *("function_call_arguments.done", "output_item.done"),
    ]
    assert anonymous(events[-1]["response"]) == anonymous(response)
    ended = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["item"] for event in ended] == events[-1]["response"]["output"]
    assert [event["output_index"] for event in ended] == [0, 1, 2, 3]


async def test_a_message_may_hold_the_end_of_one_item_and_the_next(
    client: TestClient, worker: ScriptedWorker
) -> None:
    first, tail = call("weather", '{"city": "Rome"}', call_id="a", pieces=1)
    second, rest = call("time", "{}", index=1, call_id="b", pieces=1)
    worker.script = plays(
        chat_pb2.ChatDelta(reasoning="Hm.", content="One", tool_calls=[first]),
        chat_pb2.ChatDelta(content=", two.", tool_calls=[tail, second]),
        rest,
    )
    response = await ask(client, tools=[WEATHER, TIME])
    assert [item["type"] for item in response["output"]] == [
        "reasoning",
        "message",
        "function_call",
        "message",
        "function_call",
    ]
    weather, time = response["output"][2], response["output"][4]
    assert (weather["arguments"], time["arguments"]) == ('{"city": "Rome"}', "{}")
    # To the model it is one turn.
    output = {"type": "function_call_output", "output": "x"}
    answers = [{**output, "call_id": "a"}, {**output, "call_id": "b"}]
    await ask(client, previous_response_id=response["id"], input=answers, tools=[WEATHER, TIME])
    turn = worker.requests[-1].messages[1]
    assert [part.text for part in turn.content] == ["One", ", two."]
    assert [one.id for one in turn.tool_calls] == ["a", "b"]


async def test_what_goes_on_comes_before_what_is_new(
    client: TestClient, worker: ScriptedWorker
) -> None:
    both = chat_pb2.ChatDelta(content="b", reasoning="r")
    worker.script = plays(chat_pb2.ChatDelta(content="a"), both)
    message, reasoning = (await ask(client))["output"]
    assert (message["content"][0]["text"], reasoning["content"][0]["text"]) == ("ab", "r")
    worker.script = plays(both, both)
    texts = [item["content"][0]["text"] for item in (await ask(client))["output"]]
    assert texts == ["r", "bb", "r"]


async def test_a_call_that_was_left_cannot_go_on(
    client: TestClient, worker: ScriptedWorker
) -> None:
    first, tail = call("weather", "{}", call_id="a", pieces=1)
    worker.script = plays(first, *call("time", "{}", index=1, call_id="b"), tail)
    answer = await client.post("/v1/responses", json={**ASK, "tools": [WEATHER, TIME]})
    assert answer.status == 502


async def test_logprobs(client: TestClient) -> None:
    asked = {"include": LOGPROBS, "top_logprobs": 2}
    response = await ask(client, **asked)
    logprobs = response["output"][0]["content"][0]["logprobs"]
    assert [one["token"] for one in logprobs] == ["Hello", " world"]
    assert [one["token"] for one in logprobs[0]["top_logprobs"]] == ["Hello", "other"]
    events = await stream(client, **asked)
    deltas = [one for e in events if "delta" in e for one in e["logprobs"]]
    done = next(e for e in events if e["type"] == "response.output_text.done")
    assert deltas == done["logprobs"] == logprobs


async def test_tokens_of_markers_are_not_those_of_the_text(
    client: TestClient, worker: ScriptedWorker
) -> None:
    def says(content: str = "", reasoning: str = "", *tokens: str) -> chat_pb2.ChatDelta:
        return chat_pb2.ChatDelta(
            content=content, reasoning=reasoning, tokens=[token(one) for one in tokens]
        )

    worker.script = plays(
        says("", "", "<think>"), says("", "hm", "hm"), says("", "", "</think>"), says("A", "", "A")
    )
    response = await ask(client, include=LOGPROBS)
    assert [one["token"] for one in response["output"][1]["content"][0]["logprobs"]] == ["A"]
    # The bytes of one character in two tokens: the first has no text of its own.
    worker.script = plays(says("", "", "\u00c3"), says("\u00e9", "", "\u00a9"))
    response = await ask(client, include=LOGPROBS)
    assert len(response["output"][0]["content"][0]["logprobs"]) == 2


async def test_cut_off_by_length(client: TestClient, worker: ScriptedWorker) -> None:
    async def cut(request: Any, context: Any) -> Any:
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(reasoning="Hm."))
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="Once up"))
        reason = tokens_pb2.FINISH_REASON_LENGTH
        yield chat_pb2.ChatResponse(finish=finish(reason), usage=usage())

    worker.script = cut
    response = await ask(client, max_output_tokens=4)
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["completed_at"] is None
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]
    assert worker.requests[0].sampling.max_tokens == 4
    events = await stream(client, max_output_tokens=4)
    assert kinds(events)[-1] == "incomplete"
    assert anonymous(events[-1]["response"]) == anonymous(response)


async def test_an_empty_answer_is_a_turn(client: TestClient, worker: ScriptedWorker) -> None:
    worker.script = plays()
    first = await ask(client)
    assert first["output"][0]["content"][0]["text"] == ""
    await ask(client, previous_response_id=first["id"])
    roles = [message.role for message in worker.requests[-1].messages]
    assert roles == [chat_pb2.ROLE_USER, chat_pb2.ROLE_ASSISTANT, chat_pb2.ROLE_USER]
