"""The Triton kernels on a GPU: right first, then how near to what the card can do.

python -m benchmarks.kernels              # checks and times; writes results/kernels-<card>.json
python -m benchmarks.kernels --quick      # a few shapes of each kind
python -m benchmarks.kernels --interpret  # the checks alone, tiny, without a GPU
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.results import FOLDER, Result, Row, table

SECTIONS = (
    "decode",
    "prefill",
    "mixed",
    "rows",
    "matmul",
    "experts",
    "expanding",
    "splitting",
    "floors",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kernels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a few shapes of each kind")
    parser.add_argument("--interpret", action="store_true", help="checks alone, on the CPU")
    parser.add_argument("--section", choices=SECTIONS, action="append", help="time only these")
    parser.add_argument(
        "--json", type=Path, help="where to write; default: results/kernels-<card>.json"
    )
    args = parser.parse_args()
    if args.interpret:
        # Holds from the first import of triton on.
        os.environ["TRITON_INTERPRET"] = "1"
        return 0 if _check("cpu", 2) else 1

    import torch

    if not torch.cuda.is_available():
        print("no CUDA device: run this on a GPU, or with --interpret for the checks alone")
        return 1
    right = _check("cuda", 8 if args.quick else 40)
    rows = list(_measure(args.quick, args.section or SECTIONS))
    card = torch.cuda.get_device_name()
    result = Result("kernels", {"quick": args.quick, "checks passed": right}, rows)
    result = replace(result, machine={**result.machine, "card": card})
    path = args.json or FOLDER / f"kernels-{re.sub(r'[^a-z0-9]+', '-', card.lower())}.json"
    result.write(path)
    print(f"\nwritten: {path}", flush=True)
    return 0 if right else 1


def _check(device: str, scale: int) -> bool:
    """Whether every kernel agrees with its reference; prints those that do not."""
    from benchmarks import kernel_attention, kernel_experts, kernel_rows

    found = [
        *kernel_attention.checks(device, scale),
        *kernel_rows.checks(device, 64 * scale // 2),
        *kernel_experts.checks(device, 20 * scale),
    ]
    wrong = [row for row in found if not row["right"]]
    print(f"{len(found) - len(wrong)} of {len(found)} checks against the references passed")
    if wrong:
        print(table(wrong), flush=True)
    return not wrong


def _measure(quick: bool, sections: tuple[str, ...] | list[str]) -> Iterator[Row]:
    import torch

    from benchmarks import kernel_attention, kernel_choices, kernel_experts, kernel_rows
    from benchmarks.kernel_timing import Timer

    timer = Timer(15 if quick else 40)
    copy_rate = timer.copy_rate(2**31)
    matmul_rate = timer.matmul_rate(torch.bfloat16)
    limits = {"copy GB/s": copy_rate / 1e9, "matmul TFLOP/s": matmul_rate / 1e12}
    yield {"kernel": "what the card does", **limits}
    print(table([limits]), flush=True)
    measured: dict[str, Callable[[], Iterator[Row]]] = {
        "decode": lambda: kernel_attention.decode(timer, copy_rate, quick),
        "prefill": lambda: kernel_attention.prefill(timer, matmul_rate, quick),
        "mixed": lambda: kernel_attention.mixed(timer, quick),
        "rows": lambda: kernel_rows.rows(timer, copy_rate, quick),
        "matmul": lambda: kernel_rows.matmuls(timer, copy_rate, quick),
        "experts": lambda: kernel_experts.experts(timer, copy_rate, matmul_rate, quick),
        "expanding": lambda: kernel_choices.expanding(timer, quick),
        "splitting": lambda: kernel_choices.splitting(timer, quick),
        "floors": lambda: kernel_choices.floors(timer, quick),
    }
    for section in sections:
        rows = list(measured[section]())
        print(f"\n{section}\n{table(rows)}", flush=True)
        yield from rows


if __name__ == "__main__":
    sys.exit(main())
