"""Adapters over Control while the worker serves, and as models of their own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal

import grpc
import pytest
import pytest_asyncio
import torch
from safetensors.torch import load_file, save_file
from tiny_encoder import save_tiny_encoder
from worker_harness import (
    ENDLESS,
    chat,
    collect,
    eventually,
    generate,
    refused,
    running,
    started,
    tiny_config,
)

from rostra.mesh.errors import RostraError
from rostra.mesh.worker.adapters import name_problem
from rostra.mesh.worker.server import Worker
from rostra.v1 import control_pb2

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def folders(tiny_model, tmp_path_factory):
    """Adapters `a`, `b` and `c` of the tiny model, each of which changes every answer."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM

    made = {}
    for seed, name in enumerate("abc"):
        torch.manual_seed(seed)
        base = LlamaForCausalLM.from_pretrained(tiny_model)
        model = get_peft_model(base, LoraConfig(r=2 + seed, target_modules=["q_proj", "up_proj"]))
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                torch.nn.init.normal_(parameter, std=1.0)
        made[name] = tmp_path_factory.mktemp(name)
        model.save_pretrained(made[name])
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(tiny_model):
    async with running(tiny_config(tiny_model, max_adapters=2)) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="session")
async def service(shared):
    """A worker with two slots, both free."""
    yield shared
    for name in [adapter.name for adapter in await listed(shared)]:
        await unload(shared, name)
    await eventually(shared.idle)


pytestmark = pytest.mark.asyncio(loop_scope="session")


async def load(service, name, folder):
    request = control_pb2.LoadAdapterRequest(name=name, source=str(folder))
    return (await service.control.LoadAdapter(request)).adapter


async def unload(service, name):
    await service.control.UnloadAdapter(control_pb2.UnloadAdapterRequest(name=name))


async def listed(service):
    return (await service.control.ListAdapters(control_pb2.ListAdaptersRequest())).adapters


async def models(service, name=""):
    request = control_pb2.GetModelInfoRequest(model=name)
    return (await service.control.GetModelInfo(request)).models


async def answer(service, model, **fields):
    call = service.inference.Generate(generate(model=model, temperature=0.0, max_tokens=12))
    return (await collect(call)).texts[0]


async def test_an_adapter_is_a_model_of_its_own(service, folders):
    before = (await service.load()).models_version
    adapter = await load(service, "tuned", folders["a"])
    assert (adapter.name, adapter.base_model, adapter.rank) == ("tuned", "tiny", 2)
    assert [each.name for each in await listed(service)] == ["tuned"]
    base, info = await models(service)
    assert not base.HasField("base_model")
    assert (info.name, info.base_model, info.revision) == ("tuned", "tiny", adapter.revision)
    assert list(info.aliases) == []
    assert (info.max_model_len, info.eos_token_ids) == (base.max_model_len, base.eos_token_ids)
    assert [each.name for each in await models(service, "tuned")] == ["tuned"]
    assert [each.name for each in await models(service, "small")] == ["tiny"]
    assert (await service.load()).models_version != before
    changed = await answer(service, "tuned")
    assert changed != await answer(service, "tiny") == await answer(service, "")
    reply = service.inference.Chat(chat(model="tuned", temperature=0.0, max_tokens=8))
    assert (await collect(reply)).usage.completion_tokens
    await unload(service, "tuned")
    assert [each.name for each in await models(service)] == ["tiny"]
    refusal = await refused(service.inference.Generate(generate(model="tuned")))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "model_not_found")


async def test_loading_again_is_no_error_and_another_content_is(service, folders, tmp_path):
    first = await load(service, "x", folders["a"])
    copy = tmp_path / "copy"
    shutil.copytree(folders["a"], copy)
    assert await load(service, "x", copy) == first
    both = await asyncio.gather(load(service, "y", folders["b"]), load(service, "y", folders["b"]))
    assert both[0] == both[1]
    for name, folder in (("x", folders["b"]), ("tiny", folders["a"]), ("small", folders["a"])):
        request = control_pb2.LoadAdapterRequest(name=name, source=str(folder))
        refusal = await refused(service.control.LoadAdapter(request))
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.ALREADY_EXISTS,
            "adapter_exists",
        )
    assert sorted(each.name for each in await listed(service)) == ["x", "y"]


async def test_what_is_refused(service, folders, tmp_path):
    await load(service, "x", folders["a"])
    await load(service, "y", folders["b"])

    async def refusal_of(name, source):
        request = control_pb2.LoadAdapterRequest(name=name, source=str(source))
        return await refused(service.control.LoadAdapter(request))

    full = await refusal_of("z", folders["c"])
    assert (full.code, full.reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "adapter_slots_full",
    )
    await unload(service, "y")
    nowhere = await refusal_of("z", tmp_path / "nowhere")
    assert nowhere.code is grpc.StatusCode.INVALID_ARGUMENT
    assert nowhere.violations == {"source": "invalid_value"}
    damaged = tmp_path / "damaged"
    shutil.copytree(folders["c"], damaged)
    tensors = load_file(damaged / WEIGHTS)
    name = next(iter(tensors))
    tensors[name][0, 0] = float("nan")
    save_file(tensors, damaged / WEIGHTS)
    refusal = await refusal_of("z", damaged)
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "not finite" in refusal.message
    empty = await refusal_of("", "")
    assert empty.violations == {"name": "invalid_value", "source": "invalid_value"}
    spaced = await refusal_of("a b", folders["c"])
    assert spaced.violations == {"name": "invalid_value"}
    gone = await refused(
        service.control.UnloadAdapter(control_pb2.UnloadAdapterRequest(name="never"))
    )
    assert (gone.code, gone.reason) == (grpc.StatusCode.NOT_FOUND, "adapter_not_found")
    # None of these took a slot.
    await load(service, "z", folders["c"])


async def test_an_adapter_is_unloaded_when_its_requests_have_ended(service, folders):
    await load(service, "it", folders["a"])
    running_call = service.inference.Generate(generate(model="it", max_tokens=400, **ENDLESS))
    await started(running_call)
    unloading = asyncio.create_task(unload(service, "it"))
    await eventually(lambda: _is_gone(service, "it"))
    refusal = await refused(service.inference.Generate(generate(model="it")))
    assert refusal.code is grpc.StatusCode.NOT_FOUND
    assert not unloading.done()
    got = [part async for part in running_call]
    assert got[-1].usage.completion_tokens == 400
    await unloading
    assert not await listed(service)


async def _is_gone(service, name):
    return all(each.name != name for each in await listed(service))


async def test_other_requests_go_on_while_adapters_come_and_go(service, folders):
    expected = await answer(service, "tiny")
    call = service.inference.Generate(generate(max_tokens=600, **ENDLESS))
    await started(call)
    for round_ in range(3):
        for name in "abc":
            await load(service, name, folders[name])
            assert await answer(service, name) != expected
            await unload(service, name)
        assert await answer(service, "tiny") == expected, round_
    got = [part async for part in call]
    assert got[-1].usage.completion_tokens == 600


async def test_adapters_are_back_when_the_engine_was_started_again(tiny_model, folders, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(folders["b"], moved)
    config = tiny_config(tiny_model, max_adapters=3)
    config = type(config)(
        **{name: getattr(config, name) for name in config.__struct_fields__}
        | {"adapters": {"first": str(folders["a"])}}
    )
    async with running(config) as service:
        await load(service, "second", moved)
        await load(service, "third", folders["c"])
        shutil.rmtree(moved)
        expected = await answer(service, "first")
        os.kill(service.worker.engine.pids[0], signal.SIGKILL)
        await eventually(lambda: _is_down(service))
        await eventually(service.serving)
        # The one whose files are gone is no longer served; the others are.
        assert sorted(each.name for each in await listed(service)) == ["first", "third"]
        assert await answer(service, "first") == expected
        assert [each.name for each in await models(service)] == ["tiny", "first", "third"]


async def _is_down(service):
    return not await service.serving()


async def test_a_configured_adapter_that_cannot_be_loaded_is_one_line(
    tiny_model, folders, tmp_path
):
    broken = tmp_path / "broken"
    shutil.copytree(folders["a"], broken)
    settings = json.loads((broken / "adapter_config.json").read_text())
    (broken / "adapter_config.json").write_text(json.dumps(settings | {"use_dora": True}))
    config = tiny_config(tiny_model, max_adapters=1)
    values = {name: getattr(config, name) for name in config.__struct_fields__}
    with pytest.raises(RostraError, match=r"^--adapter it: .*use_dora is not supported"):
        async with running(type(config)(**values | {"adapters": {"it": str(broken)}})):
            pass
    for name, problem in (("small", "the model itself has that name"), ("a b", "must be of")):
        with pytest.raises(RostraError, match=problem):
            Worker(type(config)(**values | {"adapters": {name: str(broken)}}))


async def test_a_worker_without_room_for_adapters_says_so(tiny_model, folders):
    async with running(tiny_config(tiny_model)) as service:
        request = control_pb2.LoadAdapterRequest(name="x", source=str(folders["a"]))
        refusal = await refused(service.control.LoadAdapter(request))
        assert refusal.code is grpc.StatusCode.UNIMPLEMENTED
        assert "--max-adapters" in refusal.message
        assert not await listed(service)


async def test_an_embedding_model_refuses_room_for_adapters(tmp_path):
    save_tiny_encoder(tmp_path)
    with pytest.raises(RostraError, match=r"^--max-adapters .*embedding model"):
        async with running(tiny_config(tmp_path, num_blocks=None, max_adapters=1)):
            pass


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        ("a", True),
        ("org/name:v1.2_x@y+z-w", True),
        ("", False),
        ("-a", False),
        ("a\nb", False),
        ("ä", False),
        ("a" * 128, True),
        ("a" * 129, False),
    ],
)
async def test_names(name, fine):
    assert (name_problem(name) is None) == fine
