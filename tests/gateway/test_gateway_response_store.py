"""Stored responses: continued, read again, listed, deleted and forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, call, gateway_before, plays, says
from hypothesis import given
from hypothesis import strategies as st
from openapi_answers import Documented
from responses_harness import ASK, TIME, ask, refusal, stream

from rostra.gateway.api_keys import new_key
from rostra.gateway.key_file import entry
from rostra.gateway.response_store import ResponseStore, StoredResponse, UnknownResponseError
from rostra.gateway.schemas.answers.response_items import ResponseInputItems


async def items(client: TestClient, response_id: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(f"/v1/responses/{response_id}/input_items", params=query)
    assert answer.status == 200, await answer.text()
    ResponseInputItems.model_validate_json(await answer.read())
    listed: dict[str, Any] = await answer.json()
    return listed


async def test_a_response_goes_on_from_another(client: TestClient, worker: ScriptedWorker) -> None:
    worker.script = plays(*call("time", "{}", call_id="a"))
    first = await ask(client, tools=[TIME], instructions="Be brief.", input="What time is it?")
    assert first["output"][0]["type"] == "function_call"
    worker.script = says(["Noon."])
    output = {"type": "function_call_output", "call_id": "a", "output": "12:00"}
    second = await ask(client, previous_response_id=first["id"], input=[output], tools=[TIME])
    third = (await stream(client, previous_response_id=second["id"], input="Sure?"))[-1]
    request = worker.requests[-1]
    assert [part.text for message in request.messages for part in message.content] == [
        "What time is it?",
        "12:00",
        "Noon.",
        "Sure?",
    ]
    assert request.messages[1].tool_calls[0].id == request.messages[2].tool_call_id == "a"
    assert third["response"]["previous_response_id"] == second["id"]
    again = await client.get(f"/v1/responses/{third['response']['id']}")
    assert await again.json() == third["response"]


async def test_a_call_must_be_answered_before_going_on(
    client: TestClient, worker: ScriptedWorker
) -> None:
    worker.script = plays(*call("time", "{}", call_id="a"))
    first = await ask(client, tools=[TIME])
    error = await refusal(client, previous_response_id=first["id"], input="and?")
    assert error["message"] == "No tool output found for the call with call_id 'a'"


async def test_items_are_referred_to(client: TestClient, worker: ScriptedWorker) -> None:
    first = await ask(client)
    reference = {"type": "item_reference", "id": first["output"][0]["id"]}
    second = await ask(client, input=[{"role": "user", "content": "hi"}, reference])
    assert worker.requests[-1].messages[1].content[0].text == "Hello world"
    listed = await items(client, second["id"], order="asc")
    assert listed["data"][1] == first["output"][0]


async def test_input_items_come_in_pages(client: TestClient) -> None:
    said = [{"role": "user", "content": str(number), "id": f"m{number}"} for number in range(5)]
    response = await ask(client, input=said)
    page = await items(client, response["id"], limit=2)
    assert [item["id"] for item in page["data"]] == ["m4", "m3"]
    assert (page["first_id"], page["last_id"], page["has_more"]) == ("m4", "m3", True)
    page = await items(client, response["id"], limit=3, after="m3")
    assert [item["id"] for item in page["data"]] == ["m2", "m1", "m0"]
    assert not page["has_more"]
    page = await items(
        client, response["id"], order="asc", **{"include[]": "file_search_call.results"}
    )
    assert [item["content"][0]["text"] for item in page["data"]] == list("01234")
    continued = await ask(client, input=[], previous_response_id=response["id"])
    assert (await items(client, continued["id"]))["data"] == []


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/input_items?limit=0", "limit"),
        ("/input_items?limit=many", "limit"),
        ("/input_items?order=up", "order"),
        ("/input_items?after=nobody", "after"),
        ("/input_items?before=m0", "before"),
        ("?stream=true", "stream"),
        ("?starting_after=3", "starting_after"),
    ],
)
async def test_bad_queries_are_refused(client: TestClient, path: str, param: str) -> None:
    response = await ask(client)
    answer = await client.get(f"/v1/responses/{response['id']}{path}")
    assert answer.status == 400
    assert (await answer.json())["error"]["param"] == param


async def test_a_deleted_response_is_gone(client: TestClient) -> None:
    first = await ask(client)
    second = await ask(client, previous_response_id=first["id"])
    path = f"/v1/responses/{first['id']}"
    answer = await client.delete(path)
    assert await answer.json() == {"id": first["id"], "object": "response", "deleted": True}
    for gone in (client.get(path), client.delete(path), client.get(f"{path}/input_items")):
        answer = await gone
        assert answer.status == 404
        assert (await answer.json())["error"]["code"] == "response_not_found"
    error = await refusal(client, previous_response_id=second["id"])
    assert error["param"] == "previous_response_id"
    assert first["id"] in error["message"]
    assert (await client.get(f"/v1/responses/{second['id']}")).status == 200


async def test_nothing_can_be_cancelled(client: TestClient) -> None:
    response = await ask(client)
    answer = await client.post(f"/v1/responses/{response['id']}/cancel")
    assert answer.status == 400
    assert (await answer.json())["error"]["code"] == "unsupported_operation"
    assert (await client.post("/v1/responses/resp_0/cancel")).status == 404


async def test_what_is_not_to_be_stored_is_not(client: TestClient) -> None:
    response = await ask(client, store=False)
    assert (await client.get(f"/v1/responses/{response['id']}")).status == 404
    error = await refusal(client, previous_response_id=response["id"])
    assert error["code"] == "previous_response_not_found"


async def test_a_gateway_without_a_store_says_so(worker: ScriptedWorker) -> None:
    async with gateway_before([worker.address], response_store_bytes=0) as client:
        assert (await ask(client))["store"] is False
        assert (await refusal(client, store=True))["param"] == "store"


async def test_a_response_too_large_for_the_store_says_so(worker: ScriptedWorker) -> None:
    async with gateway_before([worker.address], response_store_bytes=2000) as client:
        small = await ask(client)
        large = await ask(client, input="x" * 3000)
        assert (small["store"], large["store"]) == (True, False)
        assert (await client.get(f"/v1/responses/{small['id']}")).status == 200
        assert (await client.get(f"/v1/responses/{large['id']}")).status == 404


async def test_what_one_api_key_made_another_does_not_see(
    worker: ScriptedWorker, tmp_path: Path
) -> None:
    secrets = []
    keys = tmp_path / "keys.toml"
    with keys.open("w") as file:
        for name in ("mine", "theirs"):
            secret, key = new_key(name)
            secrets.append({"Authorization": f"Bearer {secret}"})
            file.write(entry(key))
    mine, theirs = secrets
    async with gateway_before([worker.address], api_keys=keys) as client:
        made = await (await client.post("/v1/responses", json=ASK, headers=mine)).json()
        path = f"/v1/responses/{made['id']}"
        assert (await client.get(path)).status == 401
        for method in ("GET", "DELETE"):
            assert (await client.request(method, path, headers=theirs)).status == 404
        reference = {"type": "item_reference", "id": made["output"][0]["id"]}
        for more in ({"previous_response_id": made["id"]}, {"input": [reference]}):
            answer = await client.post("/v1/responses", json={**ASK, **more}, headers=theirs)
            assert answer.status == 400
            answer = await client.post("/v1/responses", json={**ASK, **more}, headers=mine)
            assert answer.status == 200
        assert (await client.get(path, headers=mine)).status == 200


async def test_answers_are_as_documented(client: TestClient) -> None:
    documented = Documented(await (await client.get("/openapi.json")).json())
    create, one = "/v1/responses", "/v1/responses/{response_id}"
    made = await ask(client, tools=[TIME], include=["message.output_text.logprobs"])
    path = f"/v1/responses/{made['id']}"
    for body in ({}, {"stream": True}, {"frobnicate": 1}, {"model": "absent"}):
        answer = await client.post(create, json={**ASK, **body})
        await documented.check("post", create, answer)
    for method, kind, suffix in (
        ("get", one, ""),
        ("get", one, "?stream=true"),
        ("get", f"{one}/input_items", "/input_items"),
        ("post", f"{one}/cancel", "/cancel"),
        ("delete", one, ""),
        ("delete", one, ""),
        ("get", f"{one}/input_items", "/input_items"),
    ):
        await documented.check(method, kind, await client.request(method, path + suffix))


def stored(name: str, previous: str | None, size: int) -> StoredResponse:
    body = orjson.dumps({"output": [{"id": f"item-{name}"}], "text": "x" * size})
    return StoredResponse(name, previous, body, (f"item-{name}",), b"[]")


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "get", "delete"]), st.integers(0, 7), st.integers(0, 200)),
    max_size=40,
)


@given(STEPS, st.integers(0, 600), st.integers(1, 4))
def test_the_store_stays_within_its_bounds(steps: Any, max_bytes: int, max_count: int) -> None:
    """Against a plain list, the least recently used first."""
    store = ResponseStore(max_bytes, max_count)
    model: list[StoredResponse] = []
    for serial, (step, pick, size) in enumerate(steps):
        if step == "put":
            response = stored(str(serial), None, size)
            store.put(response)
            if response.size <= max_bytes:
                model.append(response)
                while len(model) > max_count or sum(one.size for one in model) > max_bytes:
                    model.pop(0)
        elif model:
            chosen = model.pop(pick % len(model))
            if step == "get":
                assert store.get(chosen.id, "") is chosen
                model.append(chosen)
            else:
                store.delete(chosen.id, "")
        assert store.size == sum(one.size for one in model) <= max_bytes
        assert len(store) == len(model)
    for one in model:
        item_id = f"item-{one.id}"
        assert store.source_of(item_id, "").output_item(item_id) == {"id": item_id}


def test_a_chain_ends_where_a_link_is_missing() -> None:
    store = ResponseStore(10_000, 3)
    for name, previous in (("a", None), ("b", "a"), ("c", "b")):
        store.put(stored(name, previous, 1))
    assert [one.id for one in store.chain("c", "")] == ["a", "b", "c"]
    # The whole chain was used just now, and its first link last of all.
    store.put(stored("d", None, 1))
    with pytest.raises(UnknownResponseError) as missing:
        store.chain("c", "")
    assert missing.value.response_id == "c"
    assert [one.id for one in store.chain("b", "")] == ["a", "b"]
    with pytest.raises(UnknownResponseError):
        store.source_of("item-c", "")
