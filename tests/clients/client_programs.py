"""Builds the clients of clients/, and runs them and what they are built with."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "clients" / "node"
CPP = ROOT / "clients" / "cpp"
BUF = NODE / "node_modules" / ".bin" / "buf"


@dataclass(frozen=True)
class Client:
    """A client that is built, and how it is started."""

    name: str
    program: tuple[str, ...]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(*self.program, *arguments, check=False)


def run(
    *command: str, cwd: Path = ROOT, check: bool = True, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Fails with what the command printed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
        env=env,
    )
    if check and done.returncode != 0:
        raise AssertionError(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        )
    return done


def install_node_packages() -> None:
    """As the lock file has them. They stay in the tree, so that a second run finds them."""
    stamp = NODE / "node_modules" / ".package-lock.json"
    lock = NODE / "package-lock.json"
    # Tests of another folder may want them at the same time, in another process.
    with FileLock(NODE / ".install.lock"):
        if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
            run("npm", "ci", "--no-audit", "--no-fund", "--prefer-offline", cwd=NODE)


def build_node() -> Client:
    install_node_packages()
    run("npm", "run", "build", cwd=NODE)
    return Client("node", ("node", str(NODE / "build" / "main.js")))


def build_cpp() -> Client:
    build = CPP / "build"
    # Time to compile counts here, and speed does not.
    run("cmake", "-S", str(CPP), "-B", str(build), "-DCMAKE_CXX_FLAGS=-O0")
    run("cmake", "--build", str(build), "--parallel", "2")
    return Client("cpp", (str(build / "rostra-client"),))
