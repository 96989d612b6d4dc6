"""What commands and processes cost before they do anything.

    python -m benchmarks.footprint
    python -m benchmarks.footprint --model smollm2-135m-instruct --save

Of each command its help, and of each process what it imports, in turn with an interpreter that does
nothing: processor seconds (which other work on the machine bears on less than on time), as a
multiple of the interpreter's, peak memory and modules. Then `rostra up` with a model: memory and
use of the processor of each of its processes once they are idle. How long a worker takes to its
first token, with cold and with warm caches, is `python -m benchmarks.engine --experiment startup`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.local import READY, rostra_up
from benchmarks.results import FOLDER, Result, Row, median_row, table
from rostra.mesh.home import Home

COMMANDS = (
    *("up", "worker", "gateway", "arena", "rate", "audit", "chat", "mesh", "models", "adapters"),
    *("keys", "access", "votes", "judge", "train"),
)
PROCESSES = {
    "rostra up": "rostra.mesh.supervisor.group",
    "rostra gateway": "rostra.gateway.server",
    "rostra worker": "rostra.mesh.worker.server",
    "engine": "rostra.mesh.engine.engine",
    "rostra arena": "rostra.arena.app",
    "rostra votes": "rostra.arena.votes.store",
    "rostra rate": "rostra.arena.ratings.fit",
}
"""What each imports before it serves."""
_HELP = "import sys; sys.argv = ['rostra', *sys.argv[1:]]; from rostra.mesh.cli.main import app\n"
COUNT = (
    "import sys; print(len(sys.modules), *(line.split()[1] for line in open('/proc/self/status')"
    " if line.startswith('VmHWM')), file=sys.stderr)"
)
"""Told by the child itself: what the system says of its peak begins with its parent's."""


def cost(source: str, *arguments: str) -> Row:
    """Of an interpreter that runs `source`: processor seconds, peak MiB, modules at its end.

    `source` ends with `COUNT`. Raises RuntimeError for one that fails. Linux only.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", source, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(arguments) or source} failed: {said[-500:]}")
    return {
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mib": int(said.split()[-1]) / 1024,
        "modules": int(said.split()[-2]),
    }


def imports(repeats: int) -> list[Row]:
    """A row for each command and process; all in turn, `repeats` times."""
    programs = {"python, nothing else": (COUNT,)}
    for name in COMMANDS:
        source = f"{_HELP}try: app()\nexcept SystemExit: {COUNT}"
        programs[f"rostra {name} --help"] = (source, name, "--help")
    for name, module in PROCESSES.items():
        programs[f"{name}: imports {module}"] = (f"import {module}; {COUNT}",)
    found: dict[str, list[Row]] = {name: [] for name in programs}
    for repeat in range(repeats):
        for name, (source, *arguments) in programs.items():
            found[name].append({"what": name} | cost(source, *arguments))
        print(f"run {repeat + 1} of {repeats}", file=sys.stderr, flush=True)
    rows = [median_row(each) for each in found.values()]
    for row in rows:
        row["cpu_to_python"] = row["cpu_s"] / rows[0]["cpu_s"]
    return rows


def idle(model: str, seconds: float) -> list[Row]:
    """Each process of `rostra up` after `seconds` of rest, and what it used in as many more."""
    with tempfile.TemporaryDirectory() as folder:
        # Models and kernels that are there already are not fetched and made again.
        (Path(folder) / "cache").symlink_to(Home.locate().cache, target_is_directory=True)
        file = Path(folder) / "rostra.toml"
        file.write_text(
            f'[[worker]]\nmodel = "{model}"\nname = "m"\nkv_cache_bytes = {64 * 2**20}\n'
            '[[contestant]]\nname = "a"\nmodel = "m"\n[[contestant]]\nname = "b"\nmodel = "m"\n'
        )
        with rostra_up("--home", folder, "--config", str(file)) as local:
            local.wait_for(READY)
            time.sleep(seconds)
            top = psutil.Process(local.process.pid)
            before = {each: sum(each.cpu_times()[:2]) for each in (top, *top.children(True))}
            time.sleep(seconds)
            return [_row(each, used, seconds) for each, used in before.items() if each.is_running()]


def _row(process: psutil.Process, used: float, seconds: float) -> Row:
    memory = process.memory_full_info()
    return {
        "what": f"idle: {_called(process)}",
        "resident_mib": memory.rss / 2**20,
        "own_mib": memory.uss / 2**20,
        "threads": process.num_threads(),
        "cpu_percent": 100 * (sum(process.cpu_times()[:2]) - used) / seconds,
    }


def _called(process: psutil.Process) -> str:
    """By its command, or as what it is a child of."""
    words = process.cmdline()
    if "rostra.mesh.cli.main" in words:
        return f"rostra {words[words.index('rostra.mesh.cli.main') + 1]}"
    parent = process.parent()
    role = "resource tracker" if any("resource_tracker" in word for word in words) else "child"
    return f"{role} of {_called(parent)}" if parent is not None else role


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--model", help="of `rostra up`; without one no process is started")
    parser.add_argument("--seconds", type=float, default=10.0, help="of rest, then of measuring")
    parser.add_argument("--label", default="", help="name of the result, for --save")
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    args = parser.parse_args(arguments)
    rows = imports(args.repeats)
    if args.model is not None:
        rows += idle(args.model, args.seconds)
    print(table(rows))
    if args.save:
        kept = {"repeats": args.repeats, "model": args.model, "seconds": args.seconds}
        path = FOLDER / f"footprint{f'-{args.label}' if args.label else ''}.json"
        Result("footprint", kept, rows, label=args.label).write(path)
        print(path)


if __name__ == "__main__":
    main()
