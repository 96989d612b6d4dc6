"""Images in messages: which are taken, by whom, and what else is refused by name."""

from __future__ import annotations

import base64
from typing import Any

import openai
import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, gateway_before
from members_harness import CHAT, ScriptedServer, answer_of, gateway_with, member

from rostra.gateway.schemas.images import MAX_IMAGE_BYTES

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
FILES = {
    "image/png": PIXEL,
    "image/jpeg": b"\xff\xd8\xff\xe0rest",
    "image/gif": b"GIF89arest",
    "image/webp": b"RIFF\x00\x00\x00\x00WEBPrest",
}


def url_of(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def shown(url: Any, *, role: str = "user", **image: Any) -> list[dict[str, Any]]:
    part = {"type": "image_url", "image_url": {"url": url, **image}}
    return [{"role": role, "content": [{"type": "text", "text": "What is this?"}, part]}]


async def refusal(client: TestClient, messages: Any, **body: Any) -> tuple[str, str, str]:
    response = await client.post(CHAT, json={"model": "tiny", "messages": messages, **body})
    error = (await response.json())["error"]
    assert response.status == 400, error
    return error["param"], error["code"], error["message"]


@pytest.mark.parametrize("media_type", FILES)
@pytest.mark.parametrize("detail", [None, "low"])
async def test_a_worker_that_takes_images_gets_them(
    worker: ScriptedWorker, media_type: str, detail: str | None
) -> None:
    worker.model.takes_images = True
    async with gateway_before([worker.address]) as client:
        messages = shown(url_of(FILES[media_type], media_type), detail=detail)
        response = await client.post(CHAT, json={"model": "tiny", "messages": messages})
        assert response.status == 200, await response.text()
        text, image = worker.requests[0].messages[0].content
        assert text.text == "What is this?"
        assert (image.image.data, image.image.media_type) == (FILES[media_type], media_type)
        assert image.image.HasField("detail") == (detail is not None)
        (listed,) = (await (await client.get("/v1/models")).json())["data"]
        assert listed["input_modalities"] == ["text", "image"]


async def test_another_server_gets_them_too_and_only_where_it_says_so() -> None:
    server = ScriptedServer("eyes", "blind")
    models = {"eyes": {"name": "eyes", "images": True}, "blind": "blind"}
    async with server.serve() as url, gateway_with(member(url, models=models)) as client:
        async with openai.AsyncOpenAI(
            base_url=str(client.make_url("/v1")), api_key="none", max_retries=0
        ) as official:
            messages: Any = shown(url_of(PIXEL), detail="high")
            stream = await official.chat.completions.create(
                model="eyes", messages=messages, stream=True
            )
            said = [chunk async for chunk in stream]
        assert said[1].choices[0].delta.content == "Hello"
        assert server.bodies[0]["messages"] == messages
        assert server.bodies[0]["model"] == "eyes"
        refused = await refusal(client, messages, model="blind")
        assert refused == (
            "messages[0].content[1].image_url",
            "unsupported_value",
            "messages[0].content[1].image_url: the model takes no images",
        )
        listed = (await (await client.get("/v1/models")).json())["data"]
        assert {one["id"]: one["input_modalities"] for one in listed} == {
            "eyes": ["text", "image"],
            "blind": ["text"],
        }


async def test_images_go_to_who_takes_them(worker: ScriptedWorker) -> None:
    """The worker is asked first, but not for what it cannot see."""
    server = ScriptedServer()
    table = {"models": {"tiny": "tiny"}, "images": True}
    async with (
        server.serve() as url,
        gateway_with(member(url, **table), workers=(worker.address,)) as client,
    ):
        text = [{"role": "user", "content": "hi"}]
        assert (await answer_of(client, model="tiny", messages=text))[0] == 200
        assert (len(worker.requests), len(server.bodies)) == (1, 0)
        assert (await answer_of(client, model="tiny", messages=shown(url_of(PIXEL))))[0] == 200
        assert (len(worker.requests), len(server.bodies)) == (1, 1)
        (listed,) = (await (await client.get("/v1/models")).json())["data"]
        assert (listed["owned_by"], listed["input_modalities"]) == ("rostra", ["text", "image"])


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://far.example/a.png", "unsupported_parameter"),
        ("http://169.254.169.254/latest", "unsupported_parameter"),
        ("file:///etc/passwd", "unsupported_parameter"),
        ("", "unsupported_parameter"),
        (url_of(PIXEL, "image/svg+xml"), "unsupported_parameter"),
        (url_of(PIXEL, "text/html"), "unsupported_parameter"),
        ("data:image/png,plain", "unsupported_parameter"),
        (url_of(PIXEL, "image/jpeg"), "invalid_value"),
        ("data:image/png;base64,", "invalid_value"),
        ("data:image/png;base64,iVBOR!", "invalid_value"),
        (url_of(PIXEL) + "\n", "invalid_value"),
        (url_of(PIXEL + bytes(MAX_IMAGE_BYTES)), "invalid_value"),
        (5, "invalid_type"),
    ],
)
async def test_images_that_are_not_taken(client: TestClient, url: Any, code: str) -> None:
    param, found, message = await refusal(client, shown(url))
    assert (param, found) == ("messages[0].content[1].image_url.url", code)
    assert len(message) < 200


async def test_the_largest_image_is_taken() -> None:
    server = ScriptedServer()
    async with server.serve() as url, gateway_with(member(url, images=True)) as client:
        messages = shown(url_of(PIXEL + bytes(MAX_IMAGE_BYTES - len(PIXEL))))
        assert (await answer_of(client, messages=messages))[0] == 200
        assert server.bodies[0]["messages"] == messages


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        (shown(url_of(PIXEL), role="system"), "messages[0].content[1]"),
        (shown(url_of(PIXEL), role="assistant"), "messages[0].content[1]"),
        (shown(url_of(PIXEL), detail="much"), "messages[0].content[1].image_url.detail"),
        (shown(url_of(PIXEL), size=3), "messages[0].content[1].image_url.size"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": "data:"}]}],
            "messages[0].content[0].image_url",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url"}]}],
            "messages[0].content[0].image_url",
        ),
    ],
)
async def test_parts_that_are_wrong(client: TestClient, messages: Any, param: str) -> None:
    assert (await refusal(client, messages))[0] == param


def block_of(data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    encoded = base64.b64encode(data).decode()
    source = {"type": "base64", "media_type": media_type, "data": encoded}
    return {"type": "image", "source": source}


async def test_blocks_of_the_messages_api_stay_between_the_texts(worker: ScriptedWorker) -> None:
    worker.model.takes_images = True
    result = {"type": "tool_result", "tool_use_id": "a", "content": "noon"}
    call = {"type": "tool_use", "id": "a", "name": "time", "input": {}}
    messages = [
        {"role": "user", "content": "When?"},
        {"role": "assistant", "content": [call]},
        {
            "role": "user",
            "content": [
                result,
                {"type": "text", "text": "This"},
                block_of(FILES["image/jpeg"], "image/jpeg"),
                {"type": "text", "text": "and this?"},
                block_of(PIXEL),
            ],
        },
    ]
    async with gateway_before([worker.address]) as client:
        body = {"model": "tiny", "max_tokens": 5, "messages": messages}
        response = await client.post("/v1/messages", json=body)
        assert response.status == 200, await response.text()
    said = worker.requests[0].messages[-1].content
    assert [part.text or part.image.media_type for part in said] == [
        *("This", "image/jpeg", "and this?", "image/png"),
    ]
    assert said[3].image.data == PIXEL


async def test_images_of_a_response_are_listed_and_gone_on_from(worker: ScriptedWorker) -> None:
    worker.model.takes_images = True
    part = {"type": "input_image", "image_url": url_of(PIXEL), "detail": "low"}
    asked = [{"role": "user", "content": [{"type": "input_text", "text": "What?"}, part]}]
    async with gateway_before([worker.address]) as client:
        first = await client.post("/v1/responses", json={"model": "tiny", "input": asked})
        answer = await first.json()
        assert first.status == 200, answer
        items = await client.get(f"/v1/responses/{answer['id']}/input_items")
        (listed,) = (await items.json())["data"]
        assert listed["content"] == [{"type": "input_text", "text": "What?"}, part]
        more = {"model": "tiny", "input": "And now?", "previous_response_id": answer["id"]}
        assert (await client.post("/v1/responses", json=more)).status == 200
    for request in worker.requests:
        text, image = request.messages[0].content
        assert (text.text, image.image.data, image.image.detail) == ("What?", PIXEL, "low")
    assert len(worker.requests) == 2


async def test_who_takes_no_images_says_so_on_every_route() -> None:
    server = ScriptedServer("blind")
    response: Any = {
        "role": "user",
        "content": [{"type": "input_image", "image_url": url_of(PIXEL)}],
    }
    message: Any = {"role": "user", "content": [block_of(PIXEL)]}
    async with (
        server.serve() as url,
        gateway_with(member(url, models={"blind": "blind"})) as client,
    ):
        for path, body in (
            ("/v1/responses", {"input": [response]}),
            ("/v1/messages", {"messages": [message], "max_tokens": 5}),
        ):
            refused = await client.post(path, json={"model": "blind", **body})
            assert refused.status == 400
            assert "the model takes no images" in (await refused.json())["error"]["message"]
    assert server.bodies == []


async def test_only_users_show_images_in_a_response(worker: ScriptedWorker) -> None:
    worker.model.takes_images = True
    part = {"type": "input_image", "image_url": url_of(PIXEL)}
    async with gateway_before([worker.address]) as client:
        for role in ("assistant", "system"):
            body = {"model": "tiny", "input": [{"role": role, "content": [part]}]}
            refused = await client.post("/v1/responses", json=body)
            error = (await refused.json())["error"]
            assert (refused.status, error["param"]) == (400, "input[0].content[0]")
            assert "only the role 'user' has images" in error["message"]
