"""Names that stand for models: aliases, canaries, fallbacks, and who may use them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from gateway_harness import ScriptedWorker, eventually, gateway_before, refuse, says
from grpc import StatusCode
from pydantic import ValidationError

from rostra.gateway.api_keys import new_key
from rostra.gateway.key_file import entry
from rostra.gateway.keys import FLEET
from rostra.gateway.routing.caller import Caller
from rostra.gateway.routing.names import NamedModel, Names
from rostra.gateway.settings import GatewaySettings
from rostra.mesh.cli.config import RostraConfig
from rostra.mesh.errors import RostraError

CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "hi"}]
CHI_SQUARE_1_DOF = 10.83
"""Exceeded once in a thousand times."""


@pytest.fixture
async def others() -> AsyncIterator[tuple[ScriptedWorker, ScriptedWorker]]:
    async with ScriptedWorker(model="big") as big, ScriptedWorker(model="small") as small:
        yield big, small


def before(
    others: tuple[ScriptedWorker, ScriptedWorker], models: dict[str, Any], **settings: Any
) -> Any:
    return gateway_before([one.address for one in others], model=models, **settings)


async def ask(client: TestClient, model: str, **fields: Any) -> tuple[int, str, str | None]:
    """Status, the model in the body, and the one in the header."""
    headers = fields.pop("headers", None)
    body = {"model": model, "messages": MESSAGES, **fields}
    response = await client.post(CHAT, json=body, headers=headers)
    answer = await response.json()
    return response.status, answer.get("model", ""), response.headers.get("x-rostra-model")


async def test_an_alias(others: tuple[ScriptedWorker, ScriptedWorker]) -> None:
    models = {"assistant": {"aliases": ["default"], "split": {"small": 1}}}
    async with before(others, models) as client:
        for name in ("assistant", "default", "small", "small-latest"):
            assert await ask(client, name) == (200, "small", "small")
        assert others[1].requests[0].model == "small"
        for path, body in [
            ("/v1/completions", {"prompt": "a"}),
            ("/v1/responses", {"input": "a"}),
            ("/v1/messages", {"messages": MESSAGES, "max_tokens": 5}),
            ("/v1/chat/completions", {"messages": MESSAGES, "stream": True}),
        ]:
            response = await client.post(path, json={"model": "assistant", **body})
            assert response.status == 200, await response.text()
            assert response.headers["x-rostra-model"] == "small"
            assert '"model":"small"' in await response.text()
        response = await client.post("/detokenize", json={"model": "assistant", "tokens": [1]})
        assert response.status == 200


async def test_the_list(others: tuple[ScriptedWorker, ScriptedWorker]) -> None:
    models = {
        "assistant": {"aliases": ["default"], "split": {"big": 9, "small": 1}},
        "gone": {"split": {"nobody-has-it": 1}},
        "big": {"policy": "round_robin"},
        "small": {"fallback": ["big"]},
    }
    async with before(others, models) as client:
        listed = {one["id"]: one for one in (await (await client.get("/v1/models")).json())["data"]}
        assert listed.keys() == {"assistant", "big", "small"}
        assert listed["assistant"]["targets"] == ["big", "small"]
        assert listed["assistant"]["aliases"] == ["default"]
        assert listed["small"]["targets"] == ["big", "small"]
        assert listed["small"]["aliases"] == ["small-latest"]
        assert listed["big"]["targets"] is None
        one = await (await client.get("/v1/models/default")).json()
        assert one == listed["assistant"]
        assert (await client.get("/v1/models/gone")).status == 404
        assert (await ask(client, "gone"))[0] == 404


def test_a_split_keeps_its_weights() -> None:
    rng = random.Random(11)
    names = Names({"prod": NamedModel(split={"prod": 95.0, "canary": 5.0})})
    counts = Counter(names.order("prod", Caller(draw=rng.getrandbits(64))) for _ in range(10_000))
    assert counts.keys() == {("prod", "canary"), ("canary", "prod")}
    canaries = counts["canary", "prod"]
    assert (canaries - 500) ** 2 / 500 + (canaries - 500) ** 2 / 9500 < CHI_SQUARE_1_DOF


def test_a_sticky_split_gives_a_caller_the_same_each_time() -> None:
    rng = random.Random(12)
    sticky = Names({"m": NamedModel(split={"a": 1.0, "b": 1.0}, sticky=True)})
    firsts = Counter()
    for number in range(400):
        drawn = {
            sticky.order("m", Caller(key=f"k{number}", draw=rng.getrandbits(64))) for _ in range(5)
        }
        assert len(drawn) == 1
        firsts[drawn.pop()[0]] += 1
    assert abs(firsts["a"] - 200) < 50
    nobody = {sticky.order("m", Caller(draw=rng.getrandbits(64))) for _ in range(50)}
    assert len(nobody) == 2


def test_the_order_in_which_models_are_tried() -> None:
    names = Names(
        {
            "front": NamedModel(split={"pool": 1.0}, fallback=("spare", "last")),
            "pool": NamedModel(split={"a": 99.0, "b": 1.0}),
            "spare": NamedModel(fallback=("a",)),
        }
    )
    assert sorted(names.order("front")[:2]) == ["a", "b"]
    assert names.order("front")[2:] == ("spare", "last")
    assert names.order("spare") == ("spare", "a")
    assert names.order("elsewhere") == ("elsewhere",)


async def test_a_canary_that_is_out_loses_nothing(
    others: tuple[ScriptedWorker, ScriptedWorker],
) -> None:
    big, _ = others
    async with before(others, {"front": {"split": {"big": 1, "small": 1}}}) as client:
        assert {(await ask(client, "front"))[1] for _ in range(30)} == {"big", "small"}
        await big.stop()
        await eventually(lambda: serving(client) == 1)
        assert {await ask(client, "front") for _ in range(10)} == {(200, "small", "small")}


def serving(client: TestClient) -> int:
    assert client.app is not None
    return sum(link.serving for link in client.app[FLEET])


async def test_fallbacks(others: tuple[ScriptedWorker, ScriptedWorker]) -> None:
    big, _ = others
    async with before(others, {"big": {"fallback": ["small"]}}) as client:
        assert await ask(client, "big") == (200, "big", "big")

        async def full(request: Any, context: Any) -> AsyncIterator[Any]:
            await refuse(context, StatusCode.RESOURCE_EXHAUSTED)
            yield

        big.script = full
        for stream in (False, True):
            response = await client.post(
                CHAT, json={"model": "big", "messages": MESSAGES, "stream": stream}
            )
            assert (response.status, response.headers["x-rostra-model"]) == (200, "small")
            assert '"model":"small"' in await response.text()

        async def lost(request: Any, context: Any) -> AsyncIterator[Any]:
            await refuse(context, StatusCode.UNAVAILABLE)
            yield

        big.script = lost
        assert await ask(client, "big") == (200, "small", "small")

        async def wrong(request: Any, context: Any) -> AsyncIterator[Any]:
            await refuse(context, StatusCode.INVALID_ARGUMENT, field="messages")
            yield

        big.script = wrong
        asked = len(others[1].requests)
        assert (await ask(client, "big"))[0] == 400
        assert len(others[1].requests) == asked, "a client's mistake is nobody else's work"
        await big.stop()
        await eventually(lambda: serving(client) == 1)
        assert await ask(client, "big") == (200, "small", "small")


def _of_prompts(**refusals: StatusCode) -> Any:
    """Answers each prompt but these."""

    async def script(request: Any, context: Any) -> AsyncIterator[Any]:
        if request.text in refusals:
            await refuse(context, refusals[request.text])
        async for message in says(["word"])(request, context):
            yield message

    return script


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED])
async def test_prompts_of_one_request_are_answered_by_one_model(
    others: tuple[ScriptedWorker, ScriptedWorker], status: StatusCode, stream: bool
) -> None:
    big, small = others
    body = {"model": "big", "prompt": ["a", "b"], "stream": stream}
    fallback = {"big": {"fallback": ["small"]}}
    async with before(others, fallback, max_attempts=4) as client:
        # One of them was answered by the first model, so the other has to be.
        big.script = _of_prompts(b=status)
        answer = await client.post("/v1/completions", json=body)
        code = "no_worker_available" if status is StatusCode.UNAVAILABLE else "queue_full"
        assert code in await answer.text()
        assert small.requests == []
        # Both were lost before anything had come: both fall back.
        big.script = _of_prompts(a=status, b=status)
        answer = await client.post("/v1/completions", json=body)
        assert (answer.status, answer.headers["x-rostra-model"]) == (200, "small")
        assert '"model":"big"' not in await answer.text()
        assert sorted(request.text for request in small.requests) == ["a", "b"]


async def test_who_may_use_a_name(
    others: tuple[ScriptedWorker, ScriptedWorker], tmp_path: Path
) -> None:
    made = {
        name: new_key(name, models)
        for name, models in {
            "front": ["front"],
            "alias": ["way-in"],
            "target": ["big"],
            "all": [],
        }.items()
    }
    path = tmp_path / "keys.toml"
    path.write_text("\n".join(entry(key) for _, key in made.values()))
    models = {"front": {"aliases": ["way-in"], "split": {"big": 1}}}
    async with before(others, models, api_keys=path) as client:

        async def status(key: str, model: str) -> int:
            headers = {"Authorization": f"Bearer {made[key][0]}"}
            return (await ask(client, model, headers=headers))[0]

        # To be allowed the name is to be allowed what the operator put behind it, and no more.
        assert [await status("front", model) for model in ("front", "way-in", "big")] == [
            200,
            200,
            403,
        ]
        assert [await status("alias", model) for model in ("front", "way-in")] == [200, 200]
        assert [await status("target", model) for model in ("front", "big")] == [403, 200]
        assert await status("all", "front") == 200
        headers = {"Authorization": f"Bearer {made['front'][0]}"}
        listed = (await (await client.get("/v1/models", headers=headers)).json())["data"]
        assert [one["id"] for one in listed] == ["front"]


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"a": {"fallback": ["b"]}, "b": {"split": {"a": 1}}}, "model.a: a -> b -> a leads back"),
        (
            {
                "a": {"fallback": ["b"]},
                "b": {"fallback": ["c"]},
                "c": {"aliases": ["z"], "fallback": ["y"]},
                "y": {"fallback": ["z"]},
            },
            "model.c: c -> y -> c leads back",
        ),
        ({"a": {"aliases": ["b"]}, "b": {}}, "'b' is a name of 'a' already"),
        ({"a": {"aliases": ["a"]}}, "'a' is a name of itself already"),
        ({"a": {"split": {"b": 1}, "fallback": ["b"]}}, "'b' is named twice"),
        ({"a": {"fallback": ["b", "b"]}}, "'b' is named twice"),
        ({"a": {"split": {"b": 0}}}, "greater than 0"),
        ({"a": {"split": {"b": -1}}}, "greater than 0"),
        ({"a": {"weights": {"b": 1}}}, "weights"),
        ({"a": {"policy": "fastest"}}, "policy"),
    ],
)
def test_tables_that_cannot_be(models: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GatewaySettings(workers=["a:1"], model=models)


def test_unknown_names_are_refused_where_all_are_known(tmp_path: Path) -> None:
    member = {"name": "other", "url": "http://h/v1", "models": {"far": "x"}}
    for models, missing in [
        ({"a": {"fallback": ["far"]}}, "a"),
        ({"far": {"fallback": ["near"]}}, "near"),
    ]:
        with pytest.raises(ValidationError, match=f"there is no model '{missing}'; there are: far"):
            GatewaySettings(member=[member], model=models)
    GatewaySettings(member=[member], model={"a": {"split": {"far": 1}}, "far": {}})
    file = tmp_path / "rostra.toml"
    file.write_text("[gateway.model.front]\nsticky = true\n[gateway.model.front.split]\nx = 0")
    with pytest.raises(RostraError, match=r"\[gateway\]: model.front.split.x"):
        RostraConfig.read(file).gateway_settings(workers=["a:1"])
