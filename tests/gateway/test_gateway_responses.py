"""/v1/responses: the object, its stream, and what reaches the worker."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, call, eventually, finish, plays, refuse, token, usage
from grpc import StatusCode
from responses_harness import ASK, SCHEMA, TIME, WEATHER, anonymous, ask, kinds, refusal, stream

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


async def test_an_error_before_the_first_event_is_an_answer(
    client: TestClient, worker: ScriptedWorker
) -> None:
    assert (await refusal(client, 404, model="huge", stream=True))["code"] == "model_not_found"

    async def too_long(request: Any, context: Any) -> Any:
        numbers = {"prompt_tokens": "200", "max_model_len": "128"}
        await refuse(
            context,
            StatusCode.INVALID_ARGUMENT,
            reason="context_length_exceeded",
            field="messages",
            metadata=numbers,
        )
        yield

    worker.script = too_long
    error = await refusal(client, stream=True)
    assert (error["param"], error["code"]) == ("input", "context_length_exceeded")


async def test_an_error_half_way_is_the_last_event(
    client: TestClient, worker: ScriptedWorker
) -> None:
    async def breaks_off(request: Any, context: Any) -> Any:
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="half"))
        await refuse(context, StatusCode.UNAVAILABLE)

    worker.script = breaks_off
    failed, error = (await stream(client))[-2:]
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["code"] == "server_error"
    assert failed["response"]["output"][0]["content"][0]["text"] == "half"
    assert (error["type"], error["code"]) == ("error", "no_worker_available")
    assert (await client.get(f"/v1/responses/{failed['response']['id']}")).status == 404


async def test_a_truncated_stream_is_no_answer(client: TestClient, worker: ScriptedWorker) -> None:
    async def stops(request: Any, context: Any) -> Any:
        yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="half"))

    worker.script = stops
    answer = await client.post("/v1/responses", json=ASK)
    assert answer.status == 502
    assert kinds(await stream(client))[-2:] == ["failed", "error"]


async def test_a_client_that_leaves_ends_the_request(
    client: TestClient, worker: ScriptedWorker
) -> None:
    async def goes_on(request: Any, context: Any) -> Any:
        while True:
            yield chat_pb2.ChatResponse(delta=chat_pb2.ChatDelta(content="and on "))

    worker.script = goes_on
    answer = await client.post("/v1/responses", json={**ASK, "stream": True})
    await answer.content.readuntil(b"output_text.delta")
    answer.close()
    await eventually(lambda: worker.running == 0)


@pytest.mark.parametrize(
    ("field", "param"),
    [
        ("sampling.max_tokens", "max_output_tokens"),
        ("sampling.logprobs", "top_logprobs"),
        ("sampling.temperature", "temperature"),
        ("messages[3].content", "input"),
        ("tools[0].parameters_schema", "tools[1].parameters"),
        ("tool_choice.name", "tool_choice"),
        ("structured_output.json_schema", "text.format"),
        ("template_variables[reasoning_effort]", "reasoning.effort"),
        ("template_variables[other]", "chat_template_kwargs"),
    ],
)
async def test_the_worker_blames_a_field_by_its_name_here(
    client: TestClient, worker: ScriptedWorker, field: str, param: str
) -> None:
    async def refuses(request: Any, context: Any) -> Any:
        await refuse(context, StatusCode.INVALID_ARGUMENT, "is bad", field=field)
        yield

    worker.script = refuses
    only_time = {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": "time"}],
    }
    error = await refusal(client, tools=[WEATHER, TIME], tool_choice=only_time)
    assert error["param"] == param
    assert error["message"] == f"{param}: is bad"
