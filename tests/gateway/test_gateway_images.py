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
