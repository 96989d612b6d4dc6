"""Compiles the C++ files of this folder into one shared library, once per machine."""

from __future__ import annotations

import atexit
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

FLAGS = (
    "-std=c++17 -O3 -march=native -fopenmp -fPIC -fvisibility=hidden -fno-exceptions "
    "-fno-math-errno -fno-trapping-math -ffp-contract=fast -fno-semantic-interposition -Wno-psabi"
).split()
"""NaN and infinity keep their meaning: no -ffast-math."""
_COMPILERS = ("g++", "c++", "clang++")
_TIMEOUT = 300.0
"""Seconds, for all files together, on a machine that is busy with other things."""


class BuildError(Exception):
    """No compiler, or one that fails. The message is one line."""


def build(sources: Path, cache: Path, openmp: Path) -> Path:
    """The library compiled from `sources`/*.cpp, from `cache` if it is there already.

    `openmp` is the OpenMP runtime that this process has loaded. The library is linked with that
    very file, since a second runtime would bring threads of its own, which fight for the cores
    with those of the first. Several processes may build at once. Where nothing can be written to
    `cache`, the library is built in a temporary folder that goes when this process ends.

    Raises BuildError.
    """
    compiler = find_compiler()
    name = f"{_key(sources, compiler, openmp)}.so"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        if (cache / name).exists():
            return cache / name
        with FileLock(cache / f"{name}.lock"):
            if not (cache / name).exists():
                _compile(sources, compiler, openmp, cache / name)
            return cache / name
    except (OSError, NotImplementedError):  # read-only, full, or without locks
        scratch = Path(tempfile.mkdtemp(prefix="rostra-native-"))
        atexit.register(shutil.rmtree, scratch, ignore_errors=True)
        _compile(sources, compiler, openmp, scratch / name)
        return scratch / name


def find_compiler() -> list[str]:
    """$CXX, which may carry arguments, else the first of the usual names. Raises BuildError."""
    chosen = shlex.split(os.environ.get("CXX", ""))
    names = [chosen] if chosen else [[name] for name in _COMPILERS]
    for name, *arguments in names:
        path = shutil.which(name)
        if path is not None:
            return [path, *arguments]
    raise BuildError("$CXX was not found" if chosen else "there is no C++ compiler")


def _compile(sources: Path, compiler: Sequence[str], openmp: Path, target: Path) -> None:
    """One process for each file; the library appears under its name only when it is whole."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        objects, commands = [], []
        for source in sorted(sources.glob("*.cpp")):
            objects.append(str(Path(folder, f"{source.stem}.o")))
            commands.append([*compiler, *FLAGS, "-c", str(source), "-o", objects[-1]])
        _run(commands)
        linked = Path(folder, target.name)
        # -fopenmp would link with the compiler's own runtime.
        _run([[*compiler, "-shared", "-Wl,-z,defs", *objects, str(openmp), "-o", str(linked)]])
        linked.replace(target)


def _run(commands: Sequence[Sequence[str]]) -> None:
    """All at the same time. Raises BuildError with the first error of the first that fails."""
    environment = os.environ | {"LC_ALL": "C"}
    processes: list[subprocess.Popen[str]] = []
    try:
        processes += [
            subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
            for command in commands
        ]
        for command, process in zip(commands, processes, strict=True):
            _, output = process.communicate(timeout=_TIMEOUT)
            if process.returncode:
                raise BuildError(f"{command[0]} failed: {_first_error(output)}")
    except subprocess.TimeoutExpired:
        raise BuildError(f"the compiler took longer than {_TIMEOUT:.0f} s") from None
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.communicate()


def _first_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line or "undefined " in line]
    return next(iter(errors or lines), "no message")


def _key(sources: Path, compiler: Sequence[str], openmp: Path) -> str:
    """Of all that decides what the compiler makes; homes may be shared by unlike machines."""
    digest = hashlib.sha256()
    for path in sorted([*sources.glob("*.cpp"), *sources.glob("*.h")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    facts = (*FLAGS, *compiler, _version(compiler), openmp.name, _cpu())
    digest.update("\0".join(facts).encode())
    return digest.hexdigest()[:24]


def _version(compiler: Sequence[str]) -> str:
    try:
        return subprocess.run(
            [*compiler, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{compiler[0]} does not run: {error}") from None


def _cpu() -> str:
    """Model and instruction sets, which are what -march=native goes by."""
    names = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU part")
    facts: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in names:
                facts.setdefault(name.strip(), value.strip())
    except OSError:
        pass
    return f"{platform.system()} {platform.machine()} {facts}"
