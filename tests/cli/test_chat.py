"""`rostra chat` where the server, the address or the user ends it."""

from __future__ import annotations

import asyncio
import signal

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from typer.testing import CliRunner

from rostra.mesh.cli.chat import converse, first_model
from rostra.mesh.cli.main import app
from rostra.mesh.errors import RostraError


async def breaks_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b'data: {"choices": [{"delta": {"content": "Hel"}}]}\n\n')
    request.transport.close()
    return response


@pytest.fixture
async def url():
    site = web.Application()
    site.router.add_post("/v1/chat/completions", breaks_off)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_an_answer_that_breaks_off(url, capsys):
    with pytest.raises(RostraError, match="broke off") as caught:
        await converse(url, None, "m", None, {}, "hello")
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == "Hel"


@pytest.mark.parametrize(
    ("sizes", "chosen"), [([384, None], "m1"), ([None, 384], "m0"), ([384], None)]
)
async def test_the_first_model_that_answers_is_asked(sizes, chosen):
    listed = [{"id": f"m{index}", "embedding_size": size} for index, size in enumerate(sizes)]

    async def models(request: web.Request) -> web.Response:
        return web.json_response({"data": listed})

    site = web.Application()
    site.router.add_get("/v1/models", models)
    async with TestClient(TestServer(site)) as client:
        url = str(client.make_url("")).rstrip("/")
        if chosen is not None:
            assert await first_model(client.session, url) == chosen
            return
        with pytest.raises(RostraError, match="serves no model that answers"):
            await first_model(client.session, url)


async def test_an_address_that_is_no_url():
    with pytest.raises(RostraError, match="is --url right"):
        await converse("localhost:8000", None, "m", None, {}, "hello")


@pytest.mark.parametrize("given", ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/"])
def test_the_url_that_clients_are_given_will_do(given, monkeypatch):
    asked = []

    async def record(base, *rest):
        asked.append(base)

    monkeypatch.setattr("rostra.mesh.cli.chat.converse", record)
    assert CliRunner().invoke(app, ["chat", "--url", given, "hello"]).exit_code == 0
    assert asked == ["http://h:1"]


def test_ctrl_c_ends_a_line_that_is_being_typed(monkeypatch):
    def typing(prompt):
        signal.raise_signal(signal.SIGINT)
        pytest.fail("Ctrl-C went unnoticed")

    monkeypatch.setattr("builtins.input", typing)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(converse("http://127.0.0.1:1", None, "m", None, {}, None))
