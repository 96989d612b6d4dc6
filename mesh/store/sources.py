"""How each kind of model fills an empty folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from rostra.mesh.store import package
from rostra.mesh.store.hub import HubUnreachable, download
from rostra.mesh.store.names import (
    DEMO_MODEL,
    EMBEDDING_MODEL,
    BuiltInModel,
    GgufFile,
    HubModel,
)
from rostra.mesh.store.progress import Progress

BUILT_IN = {
    DEMO_MODEL: ("HuggingFaceTB/SmolLM2-135M-Instruct", package.SMOLLM2_135M_INSTRUCT),
    EMBEDDING_MODEL: ("sentence-transformers/all-MiniLM-L6-v2", package.ALL_MINILM_L6_V2),
}
"""The repository on the hub of each, and the package that has the same model."""
_BUILT_IN_TIMEOUT = 2.0
"""Seconds. There is another source, so waiting long for the hub gains nothing."""
_HUB_TIMEOUT = 15.0


@dataclass(frozen=True)
class Origin:
    source: str
    """In words, for people."""
    quantization: str | None


def fill(
    wanted: BuiltInModel | HubModel | GgufFile, folder: Path, progress: Progress, *, fresh: bool
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
        case BuiltInModel(name):
            return _built_in(name, folder, progress)


def package_folder(folder: Path) -> Path:
    """Where a package is kept until its model is in `folder`."""
    return folder.with_name(f"{folder.name}.package")


def _built_in(name: str, folder: Path, progress: Progress) -> Origin:
    repository, carrier = BUILT_IN[name]
    try:
        return _from_hub(repository, folder, progress, _BUILT_IN_TIMEOUT)
    except HubUnreachable:
        source = f"package {carrier.requirement}"
        found = package.fetch(carrier, package_folder(folder), progress)
        if found.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            found.rename(folder)
            origin = Origin(source, None)
        else:
            origin = _from_gguf(found, source, folder, progress)
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
