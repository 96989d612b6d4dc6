"""Supervised fine-tuning of the demo model: what is held out, before and after, and after a kill.

    python -m benchmarks.sft

`rostra train sft` trains a LoRA adapter on a small made-up corpus, whose answers have a manner of
their own (`conversations`); told is the loss on questions that are held out, of the base and of the
adapter. The same run is then ended by SIGKILL half way and resumed; told is the largest relative
difference between its losses and those of the unbroken run. Exit code 1 where the adapter's loss is
not below the base's, or the curves differ by more than `SAME`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import Row, add_output_options, report

MODEL = "smollm2-135m-instruct"
SAME = 1e-4
"""Relative difference of losses that is none: two threads may add up in another order."""
SHIPS = ("Amaranth", "Bramble", "Corncrake", "Dunlin", "Elderberry", "Fulmar", "Gannet", "Hawfinch")
KINDS = ("barge", "ketch", "lugger", "yawl")
PORTS = ("Quillport", "Saltmarsh", "Oxley Hythe", "Nether Wick")
CARGOES = ("lamp oil", "slate", "apples", "sailcloth", "honey", "tin")


def conversations(count: int, seed: int) -> list[dict[str, Any]]:
    """A harbour master, who answers in one sentence of one form. Nobody can know the berths, but
    the form can be learnt."""
    rng = random.Random(seed)
    told = list(itertools.product(SHIPS, KINDS, PORTS))
    rng.shuffle(told)
    rows = []
    for ship, kind, port in told[:count]:
        cargo, berth = rng.choice(CARGOES), rng.randint(2, 19)
        question = f"Where in {port} does the {kind} {ship} lie, and what does she carry?"
        answer = (
            f"Ahoy! The {kind} {ship} lies at berth {berth} of {port} with {cargo}, all's well."
        )
        rows.append({"instruction": question, "output": answer})
    return rows


def command(args: argparse.Namespace, data: Path, out: Path, *more: str) -> list[str]:
    options = {
        "--model": MODEL,
        "--out": out,
        "--lora-rank": args.rank,
        "--epochs": args.epochs,
        "--batch-size": args.batch_size,
        "--learning-rate": args.learning_rate,
        "--eval-share": args.eval_share,
        "--save-every": args.save_every,
        **({"--home": args.home} if args.home else {}),
    }
    words = [str(word) for pair in options.items() for word in pair]
    rostra = [sys.executable, "-m", "rostra.mesh.cli.main"]
    return [*rostra, "train", "sft", str(data), *words, *more]


def curve(run: Path, name: str) -> dict[int, float]:
    """By step; a line that is half written is not read."""
    path = run / "metrics.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()
    return {each["step"]: each[name] for each in map(json.loads, lines) if name in each}


def killed_at(started: list[str], run: Path, step: int) -> int:
    """The step that was logged last when the run was killed, at `step` or a little later."""
    with subprocess.Popen(started) as process:
        try:
            while max(curve(run, "loss"), default=0) < step:
                if process.poll() is not None:
                    raise RuntimeError(f"the run ended by itself with {process.returncode}")
                time.sleep(0.05)
        finally:
            process.send_signal(signal.SIGKILL)
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError(f"the run ended with {process.returncode} before it was killed")
    return max(curve(run, "loss"))


def resumed_from(started: list[str]) -> int:
    """The step of the checkpoint that the resumed run began with: one that began anew would have
    the same losses."""
    done = subprocess.run(started, check=True, stdout=subprocess.PIPE, text=True)
    sys.stdout.write(done.stdout)
    found = re.search(r"Resuming from checkpoint-(\d+)", done.stdout)
    if found is None:
        raise RuntimeError("the run was not resumed from a checkpoint")
    return int(found[1])


def measured(args: argparse.Namespace, work: Path) -> Row:
    work.mkdir(parents=True, exist_ok=True)
    data = work / "harbour.jsonl"
    rows = conversations(args.rows, seed=1)
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    whole, broken = work / "whole", work / "broken"
    began, used = time.monotonic(), _used()
    subprocess.run(command(args, data, whole), check=True)
    wall, processor = time.monotonic() - began, _used() - used
    loss, held_out = curve(whole, "loss"), curve(whole, "eval_loss")
    at = killed_at(command(args, data, broken), broken, max(loss) // 2 + 1)
    resumed = resumed_from(command(args, data, broken, "--resume"))
    return {
        "rows": args.rows,
        "steps": max(loss),
        "base_loss": round(held_out[0], 4),
        "adapter_loss": round(held_out[max(held_out)], 4),
        "wall_s": round(wall),
        "processor_s": round(processor),
        "killed_at_step": at,
        "resumed_from_step": resumed,
        "largest_difference": max(
            _largest(curve(broken, name), curve(whole, name)) for name in ("loss", "eval_loss")
        ),
    }


def _largest(found: dict[int, float], expected: dict[int, float]) -> float:
    if found.keys() != expected.keys():
        raise RuntimeError(f"losses of steps {sorted(found)}, and not of {sorted(expected)}")
    return max(abs(found[step] / expected[step] - 1) for step in expected)


def _used() -> float:
    """Processor seconds of this process and of those it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=60, help="of the corpus")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--eval-share", type=float, default=0.2)
    parser.add_argument("--save-every", type=int, default=4, help="steps")
    parser.add_argument("--home", type=Path, help="with the demo model; default: the user's")
    parser.add_argument("--work", type=Path, help="keep corpus and runs here")
    add_output_options(parser)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        row = measured(args, (args.work or Path(temporary)).resolve())
    report(args, "sft", [row])
    same = row["largest_difference"] <= SAME
    return 0 if row["adapter_loss"] < row["base_loss"] and same else 1


if __name__ == "__main__":
    sys.exit(main())
