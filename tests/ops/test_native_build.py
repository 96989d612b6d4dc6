"""Building the library: once, for this machine, or not at all with one line that says why."""

from __future__ import annotations

import ctypes
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ops_cases import LIBRARY_MODULE, AttentionCase

from rostra.mesh.ops import make_ops
from rostra.mesh.ops.native import build as build_module
from rostra.mesh.ops.native.build import BuildError, build
from rostra.mesh.ops.native.library import openmp_runtime
from rostra.mesh.ops.native_cpu import NativeCpuOps
from rostra.mesh.ops.torch_cpu import TorchCpuOps

EXPORT = 'extern "C" __attribute__((visibility("default"))) '
ANSWER = f'#include "answer.h"\n{EXPORT}int answer() {{ return ANSWER; }}\n'
THREADS = """\
#include <omp.h>
extern "C" __attribute__((visibility("default"))) int threads() {
    int count = 0;
#pragma omp parallel num_threads(3)
#pragma omp atomic
    count++;
    return count;
}
"""


@pytest.fixture
def sources(tmp_path):
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "answer.h").write_text("#define ANSWER 42\n")
    (folder / "answer.cpp").write_text(ANSWER)
    (folder / "threads.cpp").write_text(THREADS)
    return folder


@pytest.fixture
def compilations(monkeypatch):
    """Grows by one with each library that is compiled."""
    seen = []
    compile_ = build_module._compile

    def counting(*arguments):
        seen.append(arguments)
        compile_(*arguments)

    monkeypatch.setattr(build_module, "_compile", counting)
    return seen


@pytest.fixture
def fresh_library(tmp_path, monkeypatch):
    """`library`, as if it were asked for the first time, in an empty home."""
    monkeypatch.setenv("ROSTRA_HOME", str(tmp_path / "home"))
    LIBRARY_MODULE._library.cache_clear()
    yield LIBRARY_MODULE.library
    LIBRARY_MODULE._library.cache_clear()


def test_it_is_compiled_once_and_again_when_something_changes(
    sources, tmp_path, compilations, monkeypatch
):
    cache = tmp_path / "cache"
    path = build(sources, cache, openmp_runtime())
    library = ctypes.CDLL(str(path))
    assert (library.answer(), library.threads()) == (42, 3)
    assert build(sources, cache, openmp_runtime()) == path
    assert len(compilations) == 1

    (sources / "answer.h").write_text("#define ANSWER 43\n")
    changed = build(sources, cache, openmp_runtime())
    assert ctypes.CDLL(str(changed)).answer() == 43
    assert len(compilations) == 2

    monkeypatch.setattr(build_module, "_cpu", lambda: "another machine with the same home")
    assert build(sources, cache, openmp_runtime()) not in (path, changed)
    monkeypatch.setattr(build_module, "FLAGS", [*build_module.FLAGS, "-DOTHER"])
    build(sources, cache, openmp_runtime())
    assert len(compilations) == 4
    assert len(list(cache.glob("*.so"))) == 4
    assert {path.suffix for path in cache.iterdir()} <= {".so", ".lock"}


def test_processes_that_start_together_share_one_library(sources, tmp_path):
    script = (
        "import sys, ctypes; from pathlib import Path\n"
        "from rostra.mesh.ops.native.build import build\n"
        "path = build(*map(Path, sys.argv[1:]))\n"
        "print(path, path.stat().st_mtime_ns, ctypes.CDLL(str(path)).answer())"
    )
    arguments = [sys.executable, "-c", script, str(sources), str(tmp_path / "cache")]
    arguments.append(str(openmp_runtime()))
    processes = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = {process.communicate(timeout=120)[0] for process in processes}
    assert len(outputs) == 1
    assert outputs.pop().split()[-1] == "42"


def test_without_a_place_for_the_cache(sources, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    path = build(sources, blocked / "cache", openmp_runtime())
    assert not path.is_relative_to(tmp_path)
    assert ctypes.CDLL(str(path)).answer() == 42


def test_the_first_error_of_the_compiler_is_told(sources, tmp_path):
    (sources / "answer.cpp").write_text(ANSWER + "int f() { return missing; }\n")
    with pytest.raises(BuildError, match=r"answer\.cpp:3:\d+: error: .*missing.* was not declared"):
        build(sources, tmp_path / "cache", openmp_runtime())
    (sources / "answer.cpp").write_text(ANSWER + "int g(); int f() { return g(); }\n")
    with pytest.raises(BuildError, match=r"undefined (reference|symbol).*g"):
        build(sources, tmp_path / "cache", openmp_runtime())
    assert not list((tmp_path / "cache").glob("*.so"))


def test_the_compiler_can_be_chosen(sources, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "g++ -DCHOSEN")
    (sources / "answer.cpp").write_text(
        f"#ifdef CHOSEN\n{EXPORT}int answer() {{ return 7; }}\n#endif\n"
    )
    path = build(sources, tmp_path / "cache", openmp_runtime())
    assert ctypes.CDLL(str(path)).answer() == 7
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(BuildError, match=r"\$CXX was not found"):
        build(sources, tmp_path / "cache", openmp_runtime())


def test_without_a_compiler_pytorch_computes_and_one_line_says_so(
    fresh_library, tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            ops = make_ops(torch.device("cpu"), torch.float32)
            assert isinstance(ops, TorchCpuOps)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "there is no C++ compiler; install a C++ compiler (g++)" in record.message


def test_it_can_be_switched_off_without_a_word(fresh_library, monkeypatch, caplog):
    monkeypatch.setenv("ROSTRA_NATIVE", "0")
    assert fresh_library() is None
    assert not caplog.records


def test_a_damaged_library_is_not_fatal(fresh_library, tmp_path, monkeypatch, caplog):
    damaged = tmp_path / "damaged.so"
    damaged.write_bytes(b"\x7fELF and no more")
    monkeypatch.setattr(LIBRARY_MODULE, "build", lambda *_: damaged)
    assert fresh_library() is None
    assert len(caplog.records) == 1


def test_one_openmp_runtime_in_the_process():
    """Whose threads do the work of both; in a process of its own, since tests load much else."""
    script = """
import os, torch
from rostra.mesh.ops import make_ops
torch.set_num_threads(3)
ops = make_ops(torch.device("cpu"), torch.float32)
torch.randn(512, 512) @ torch.randn(512, 512)
before = len(os.listdir("/proc/self/task"))
ops.silu_and_mul(torch.randn(512, 1024))
print(type(ops).__name__, len(os.listdir("/proc/self/task")) - before)
for path in {line.split()[-1] for line in open("/proc/self/maps")}:
    if os.path.basename(path).startswith(("libgomp", "libiomp", "libomp")):
        print(path)
"""
    output = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=200, check=True
    ).stdout
    assert output.split() == ["NativeCpuOps", "0", str(openmp_runtime())]


@pytest.mark.parametrize("level", ["x86-64", "x86-64-v4"])
def test_other_widths_of_vectors(level, tmp_path, monkeypatch):
    """Four numbers, as on a machine without AVX, and sixteen, computed where the machine can."""
    monkeypatch.setattr(
        build_module,
        "FLAGS",
        [flag for flag in build_module.FLAGS if flag not in ("-march=native", "-O3")]
        + ["-O1", f"-march={level}"],
    )
    own = Path(build_module.__file__).parent
    for name in (
        "attention.cpp",
        "lora.cpp",
        "token.cpp",
        *(path.name for path in own.glob("*.h")),
    ):
        (tmp_path / name).write_bytes((own / name).read_bytes())
    path = build(tmp_path, tmp_path / "cache", openmp_runtime())
    if level == "x86-64-v4" and torch.backends.cpu.get_cpu_capability() != "AVX512":
        return
    kernels = LIBRARY_MODULE.load(path)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        for head_dim in (20, 64):
            case = AttentionCase.random(
                [(1, 300), (30, 90), (1, 5)],
                num_heads=6,
                num_kv_heads=2,
                head_dim=head_dim,
                dtype=dtype,
            )
            case.check(NativeCpuOps(kernels, dtype))
