"""What is said where memory is short, and what a device cannot do."""

from __future__ import annotations

import logging
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from model_checkpoints import SHAPES, save_checkpoint

from rostra.mesh.engine import build, memory, support
from rostra.mesh.engine.build import build_runner
from rostra.mesh.engine.config import EngineConfig
from rostra.mesh.engine.device import open_device
from rostra.mesh.engine.support import Support, cache_dtype, check_support
from rostra.mesh.errors import RostraError

CPU = torch.device("cpu")


@pytest.fixture
def control_groups(tmp_path, monkeypatch):
    """The folder of the control group of this process, in a tree of its own."""
    own = tmp_path / "cgroup" / "pod" / "container"
    own.mkdir(parents=True)
    (tmp_path / "self").write_text("0::/pod/container\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_OWN_CGROUP", tmp_path / "self")
    return own


def limit(group: Path, most: str, used: int, files: int = 0) -> None:
    (group / "memory.max").write_text(f"{most}\n")
    (group / "memory.current").write_text(f"{used}\n")
    (group / "memory.stat").write_text(f"anon 5\ninactive_file {files}\n")


def test_host_memory_is_no_more_than_the_host_has(control_groups):
    assert 0 < memory.free_host_bytes() < 2**50
    limit(control_groups, "max", 10)
    assert memory.free_host_bytes() > 2**20


def test_a_container_limits_what_is_free(control_groups):
    limit(control_groups, "1000", 300)
    assert memory.free_host_bytes() == 700
    limit(control_groups, "1000", 1300)
    assert memory.free_host_bytes() == 0
    limit(control_groups, "1000", 900, files=400)
    assert memory.free_host_bytes() == 500


def test_a_group_around_the_container_limits_it_too(control_groups):
    limit(control_groups, "1000", 300)
    limit(control_groups.parent, "400", 350)
    assert memory.free_host_bytes() == 50


def engine(tmp_path, **settings):
    save_checkpoint(tmp_path, SHAPES["multi-head"])
    return build_runner(EngineConfig(model_path=str(tmp_path), max_model_len=64, **settings))


def test_weights_that_do_not_fit_are_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "free_host_bytes", lambda: 1000)
    monkeypatch.setattr(build, "load_model", lambda *_, **__: pytest.fail("they were read"))
    with pytest.raises(RostraError, match=r"the weights of .* needs .* 0\.00 GiB free: .*quantis"):
        engine(tmp_path)


def test_a_cache_that_does_not_fit_beside_the_weights_is_refused(tmp_path):
    with pytest.raises(RostraError, match=r"beside the weights there is room for \d+ blocks"):
        engine(tmp_path, kv_cache_bytes=2**50)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("stage", ["load_model", "KVCache.allocate"])
def test_a_failed_allocation_is_one_line_with_the_numbers(tmp_path, monkeypatch, stage, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(f"rostra.mesh.engine.build.{stage}", fail)
    what = "weights" if stage == "load_model" else "KV cache"
    with pytest.raises(RostraError, match=rf"the {what}.* needs .*GiB, and cpu .*GiB free: ") as e:
        engine(tmp_path)
    assert "\n" not in str(e.value)


def test_other_errors_stay_what_they_are(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(build, "load_model", fail)
    with pytest.raises(RuntimeError, match="mat1"):
        engine(tmp_path)


def config(**settings) -> EngineConfig:
    return EngineConfig(model_path="", **settings)


@pytest.mark.parametrize(
    ("settings", "working"),
    [
        ({"quantization": "fp8"}, "auto, none, int8, int4"),
        ({"quantization": "int3"}, "auto, none, int8, int4"),
        ({"kv_cache_dtype": "fp8"}, "auto"),
        ({"dtype": "float64"}, "auto, float32, bfloat16, float16"),
    ],
    ids=str,
)
def test_a_cpu_lists_what_works_there(tmp_path, monkeypatch, settings, working):
    monkeypatch.setattr(build, "load_model", lambda *_, **__: pytest.fail("it was loaded"))
    (name, value), *_ = settings.items()
    flag = "--" + name.replace("_", "-")
    with pytest.raises(RostraError) as caught:
        engine(tmp_path, **settings)
    message = str(caught.value)
    assert message.startswith(f"{flag} {value} is not supported on cpu (")
    assert message.endswith(f"; what works there: {working}")


Properties = namedtuple("Properties", "major gcnArchName")


@pytest.mark.parametrize(
    ("capability", "hip", "expected"),
    [
        ((7, 5), None, ("float16", "none int8", "auto")),
        ((8, 0), None, ("bfloat16 float16", "none int8", "auto")),
        ((8, 9), None, ("bfloat16 float16", "none int8 fp8", "auto fp8")),
        ((9, 0), None, ("bfloat16 float16", "none int8 fp8", "auto fp8")),
        ("gfx942:sramecc+", "6.4", ("bfloat16 float16", "none int8 fp8", "auto fp8")),
        ("gfx90a", "6.4", ("bfloat16 float16", "none int8", "auto")),
    ],
    ids=str,
)
def test_what_gpus_can_do(monkeypatch, capability, hip, expected):
    monkeypatch.setattr(torch.version, "hip", hip)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Properties(9, capability))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a GPU")
    device = torch.device("cuda", 0)
    found = Support.of(device)
    assert found.dtypes == ("auto", "float32", *expected[0].split())
    assert found.quantizations == ("auto", *expected[1].split())
    assert found.kv_cache_dtypes == tuple(expected[2].split())
    if "fp8" not in expected[2]:
        with pytest.raises(RostraError, match=r"--kv-cache-dtype fp8.*what works there: auto$"):
            check_support(config(kv_cache_dtype="fp8"), device)
    else:
        dtype = check_support(config(kv_cache_dtype="fp8", quantization="fp8"), device)
        assert cache_dtype(config(kv_cache_dtype="fp8"), dtype) == torch.float8_e4m3fn


def test_a_dtype_without_hardware_is_allowed_with_a_word(monkeypatch, caplog):
    monkeypatch.setattr("rostra.mesh.engine.device._cpu_computes_bfloat16", lambda: False)
    with caplog.at_level(logging.INFO, support.__name__):
        assert check_support(config(dtype="float32"), CPU) == torch.float32
        assert check_support(config(), CPU) == torch.float32
        assert not caplog.messages
        assert check_support(config(dtype="bfloat16"), CPU) == torch.bfloat16
    assert len(caplog.messages) == 1
    assert "no instructions for bfloat16" in caplog.messages[0]


def test_a_dtype_with_hardware_is_taken(monkeypatch, caplog):
    monkeypatch.setattr("rostra.mesh.engine.device._cpu_computes_bfloat16", lambda: True)
    assert check_support(config(), open_device("cpu")) == torch.bfloat16
    assert check_support(config(dtype="bfloat16"), CPU) == torch.bfloat16
    assert not caplog.messages
