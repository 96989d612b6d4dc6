"""Compile launches for chips that are not here, and say what they would take.

`python -m rostra.kernels.aot sm_90 gfx942` prints registers, spills and shared memory of every
variant; `--json` prints the same for a program. Needs no GPU: Triton carries `ptxas` and LLVM.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import triton
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, make_backend
from triton.runtime.jit import JITFunction, create_function_from_signature

from rostra.kernels.chip import AHEAD_OF_TIME, Chip
from rostra.kernels.launch import Launch
from rostra.kernels.variants import Variant, variants


@dataclass(frozen=True)
class Footprint:
    """What one compiled kernel takes of one chip."""

    variant: str
    kernel: str
    chip: str
    registers: int
    """For each lane."""
    spilled: int
    """Bytes (CUDA) or vector registers (HIP) of a lane that did not fit and went to memory."""
    shared_memory: int
    """Bytes of one block."""
    shared_memory_limit: int

    @property
    def fits(self) -> bool:
        return self.spilled == 0 and self.shared_memory <= self.shared_memory_limit


def compile_launch(launch: Launch, chip: Chip, **options: Any) -> tuple[Any, str]:
    """Triton's compiled kernel for `launch` on `chip`, and what `ptxas` said of it (CUDA only).

    Goes the way of `JITFunction.run`: the same specialisation of the same arguments. `options` are
    further options of Triton's backend.
    """
    kernel = launch.kernel
    if not isinstance(kernel, JITFunction):
        raise TypeError("ahead-of-time compilation needs TRITON_INTERPRET unset")
    target = GPUTarget(chip.backend, chip.arch, chip.warp_size)
    backend = make_backend(target)
    bind = create_function_from_signature(kernel.signature, kernel.params, backend)
    keywords = {**launch.options, **options}
    bound, specialization, _ = bind(**keywords)
    parsed, signature, constexprs, attributes = kernel._pack_args(
        backend, keywords, bound, specialization, None
    )
    source = ASTSource(kernel, signature, constexprs, attributes)
    log = io.StringIO()
    with knobs.compilation.scope(), knobs.nvidia.scope(), contextlib.redirect_stdout(log):
        # A cached binary comes without the log.
        knobs.compilation.always_compile = True
        knobs.nvidia.dump_ptxas_log = True
        compiled = triton.compile(source, target=target, options=parsed.__dict__)
    return compiled, log.getvalue()


def measure(variant: Variant, chip_name: str, **options: Any) -> Footprint:
    """Compile `variant` for a chip of `AHEAD_OF_TIME` and read off what it takes."""
    chip = AHEAD_OF_TIME[chip_name]
    compiled, log = compile_launch(variant.launch, chip, **options)
    if chip.backend == "cuda":
        registers = _only(r"Used (\d+) registers", log)
        spilled = _only(r"(\d+) bytes spill stores", log) + _only(r"(\d+) bytes spill loads", log)
    else:
        assembly = compiled.asm["amdgcn"]
        registers = _only(r"\.vgpr_count:\s+(\d+)", assembly)
        # Scalar registers that do not fit go to lanes of vector registers, not to memory.
        spilled = _only(r"\.vgpr_spill_count:\s+(\d+)", assembly)
    return Footprint(
        variant=variant.name,
        kernel=compiled.metadata.name,
        chip=chip_name,
        registers=registers,
        spilled=spilled,
        shared_memory=compiled.metadata.shared,
        shared_memory_limit=chip.shared_memory,
    )


def _only(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    if len(found) != 1:
        raise RuntimeError(f"the compiler's report has {len(found)} matches of {pattern!r}")
    return int(found[0])


def footprints(chip_names: Iterable[str], part: int = 0, num_parts: int = 1) -> Iterator[Footprint]:
    """On every named chip of `AHEAD_OF_TIME` the first variant of each kernel, and of the others
    every `num_parts`-th from `part` on: all of them unless told otherwise.
    """
    for chip_name in chip_names:
        seen = set()
        for index, variant in enumerate(variants(AHEAD_OF_TIME[chip_name])):
            if variant.launch.kernel not in seen or index % num_parts == part:
                seen.add(variant.launch.kernel)
                yield measure(variant, chip_name)


def _part(text: str) -> tuple[int, int]:
    """`1/4` as (0, 4)."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    part, num_parts = map(int, match.groups()) if match else (0, 0)
    if not 1 <= part <= num_parts:
        raise argparse.ArgumentTypeError(f"{text} is not K/N with K from 1 to N")
    return part - 1, num_parts


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m rostra.kernels.aot", description=__doc__)
    parser.add_argument(
        "chips", nargs="*", metavar="chip", help=f"of {', '.join(AHEAD_OF_TIME)}; all if none"
    )
    parser.add_argument("--json", action="store_true", help="one object for each line")
    parser.add_argument(
        "--part",
        type=_part,
        default=(0, 1),
        metavar="K/N",
        help="each kernel once, and of its further variants only the K-th of every N",
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.chips if name not in AHEAD_OF_TIME]
    if unknown:
        parser.error(f"no such chip: {unknown[0]}; known are {', '.join(AHEAD_OF_TIME)}")
    for footprint in footprints(arguments.chips or AHEAD_OF_TIME, *arguments.part):
        if arguments.json:
            print(json.dumps({**asdict(footprint), "fits": footprint.fits}), flush=True)
        else:
            print(
                f"{footprint.chip:8}{footprint.variant:68}{footprint.registers:4} registers "
                f"{footprint.spilled:4} spilled {footprint.shared_memory:7} bytes shared",
                flush=True,
            )


if __name__ == "__main__":
    main()
