"""Every kernel compiles for chips that are not here, and fits their registers and shared memory.

Each kernel for each chip, and of its variants another quarter for each: all of them for all chips
take many minutes, with `python -m rostra.kernels.aot`. What they take is kept from one run of the
tests to the next, as long as nothing of the kernels, Triton or Python has changed.
In processes of their own: with TRITON_INTERPRET set in this one, nothing could be compiled.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import pytest

import rostra.kernels
from rostra.kernels.aot import Footprint
from rostra.kernels.chip import AHEAD_OF_TIME
from rostra.mesh.home import Home

pytestmark = pytest.mark.timeout(900)
FOLDER = Path(rostra.kernels.__path__[0])


def python(*arguments, cache):
    environment = {**os.environ, "TRITON_CACHE_DIR": str(cache)}
    environment.pop("TRITON_INTERPRET", None)
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("triton")


@pytest.fixture(scope="module")
def footprints(cache):
    """What the variants take that are compiled here, by chip."""
    chips = list(AHEAD_OF_TIME)

    def compile_for(chip):
        part = f"{chips.index(chip) + 1}/{len(chips)}"
        command = ("-m", "rostra.kernels.aot", "--json", "--part", part, chip)
        kept = Home.locate().cache / "footprints" / f"{state_of_the_kernels()}-{chip}.jsonl"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            new = kept.with_suffix(f".{os.getpid()}")
            new.write_text(python(*command, cache=cache))
            new.replace(kept)
        return [json.loads(line) for line in kept.read_text().splitlines()]

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(chips, pool.map(compile_for, chips), strict=True))


def state_of_the_kernels():
    """Equal where the same kernels are compiled in the same way."""
    state = hashlib.sha256(f"{version('triton')} {sys.version}".encode())
    for path in (*sorted(FOLDER.rglob("*.py")), Path(__file__)):
        state.update(path.read_bytes())
    return state.hexdigest()[:16]


def launched_kernels():
    """Names of the `triton.jit` functions of the package that no other one calls."""
    functions = {}
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any(
                "triton.jit" in ast.unparse(decorator) for decorator in node.decorator_list
            ):
                functions[node.name] = node
    called = {
        inner.func.id
        for node in functions.values()
        for inner in ast.walk(node)
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name)
    }
    return set(functions) - called


@pytest.mark.parametrize("chip", AHEAD_OF_TIME)
def test_every_kernel_is_compiled(footprints, chip):
    expected = launched_kernels()
    assert len(expected) >= 5
    assert {footprint["kernel"] for footprint in footprints[chip]} == expected


@pytest.mark.parametrize("chip", AHEAD_OF_TIME)
def test_every_variant_fits(footprints, chip):
    assert [footprint for footprint in footprints[chip] if not footprint["fits"]] == []


PLANTED = """
import sys
from rostra.kernels import aot
from rostra.kernels.chip import AHEAD_OF_TIME
from rostra.kernels.variants import variants

chip, option, value = sys.argv[1:]
variant = next(v for v in variants(AHEAD_OF_TIME[chip]) if "attend_kernel[decode" in v.name)
print(aot.measure(variant, chip, **{option: int(value)}).spilled)
"""


@pytest.mark.parametrize(
    ("chip", "option", "value"), [("sm_90", "maxnreg", "32"), ("gfx942", "waves_per_eu", "8")]
)
def test_too_few_registers_are_reported_as_spills(cache, chip, option, value):
    """Guards the test above: with its registers taken away, the same kernel must fail it."""
    assert int(python("-c", PLANTED, chip, option, value, cache=cache)) > 0


def test_what_fits():
    footprint = Footprint("name", "kernel", "sm_80", 64, 0, 1000, 1000)
    assert footprint.fits
    assert not dataclasses.replace(footprint, spilled=1).fits
    assert not dataclasses.replace(footprint, shared_memory=1001).fits
