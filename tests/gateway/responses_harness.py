"""What the tests of /v1/responses share."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp.test_utils import TestClient

from rostra.gateway.schemas.answers.response_events import ResponseEvent
from rostra.gateway.schemas.answers.responses import Response

ASK: dict[str, Any] = {"model": "tiny", "input": "hi"}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "name": "weather", "description": "Of a city", "parameters": SCHEMA}
TIME = {"type": "function", "name": "time", "strict": False}


async def ask(client: TestClient, **body: Any) -> dict[str, Any]:
    """The response object, held to its model."""
    answer = await client.post("/v1/responses", json={**ASK, **body})
    assert answer.status == 200, await answer.text()
    raw = await answer.read()
    Response.model_validate_json(raw)
    response: dict[str, Any] = orjson.loads(raw)
    return response


async def refusal(client: TestClient, status: int = 400, **body: Any) -> dict[str, Any]:
    answer = await client.post("/v1/responses", json={**ASK, **body})
    assert answer.status == status, await answer.text()
    error: dict[str, Any] = (await answer.json())["error"]
    assert error["type"] == "invalid_request_error"
    return error


async def stream(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    """The events, each held to its model, its name and its number."""
    answer = await client.post("/v1/responses", json={**ASK, **body, "stream": True})
    assert answer.status == 200, await answer.text()
    assert answer.content_type == "text/event-stream"
    events = []
    for block in (await answer.text()).removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        ResponseEvent.model_validate_json(data.removeprefix("data: "))
        events.append(orjson.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def anonymous(value: Any) -> Any:
    """Without ids and times, which differ from one response to the next."""
    if isinstance(value, dict):
        varying = ("id", "created_at", "completed_at", "item_id")
        return {key: anonymous(each) for key, each in value.items() if key not in varying}
    return [anonymous(each) for each in value] if isinstance(value, list) else value
