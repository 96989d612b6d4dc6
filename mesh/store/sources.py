"""How each kind of model fills an empty folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rostra.mesh.errors import RostraError
from rostra.mesh.store import package
from rostra.mesh.store.hub import HubUnreachable, download
from rostra.mesh.store.names import (
    DEMO_MODEL,
    EMBEDDING_MODEL,
    GEMMA_MODEL,
    BuiltInModel,
    GgufFile,
    HubModel,
    ModelName,
)
from rostra.mesh.store.package import Package
from rostra.mesh.store.progress import Progress


@dataclass(frozen=True)
class License:
    """Terms that whoever fetches a model has to agree to."""

    name: str
    title: str
    url: str


@dataclass(frozen=True)
class Carrier:
    """Where a built-in model is."""

    packages: tuple[Package, ...]
    """That have the model, or each a part of its file."""
    repository: str | None = None
    """On the hub, with the same model: tried first."""
    license: License | None = None


GEMMA_TERMS = License("gemma", "the Gemma Terms of Use", "https://ai.google.dev/gemma/terms")
BUILT_IN = {
    DEMO_MODEL: Carrier((package.SMOLLM2_135M_INSTRUCT,), "HuggingFaceTB/SmolLM2-135M-Instruct"),
    EMBEDDING_MODEL: Carrier((package.ALL_MINILM_L6_V2,), "sentence-transformers/all-MiniLM-L6-v2"),
    GEMMA_MODEL: Carrier(package.GEMMA3_270M, license=GEMMA_TERMS),
}
_BUILT_IN_TIMEOUT = 2.0
"""Seconds. There is another source, so waiting long for the hub gains nothing."""
_HUB_TIMEOUT = 15.0


@dataclass(frozen=True)
class Origin:
    source: str
    """In words, for people."""
    quantization: str | None


def check_licenses(wanted: ModelName, accepted: Iterable[str]) -> None:
    """Raises RostraError where a model has terms that are not among the `accepted` ones, or where
    one of these is not a model's."""
    known = BUILT_IN[wanted.name].license if isinstance(wanted, BuiltInModel) else None
    for name in accepted:
        if known is None or name != known.name:
            raise RostraError(f"{wanted.name} asks for no licence called {name!r}.")
    if known is not None and known.name not in accepted:
        raise RostraError(
            f"{wanted.name} is under {known.title} ({known.url}); if you agree to them, run "
            f"`rostra models pull {wanted.name} --accept-license {known.name}`."
        )


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
    carrier = BUILT_IN[name]
    if carrier.repository is not None:
        try:
            return _from_hub(carrier.repository, folder, progress, _BUILT_IN_TIMEOUT)
        except HubUnreachable:
            pass
    more = len(carrier.packages) - 1
    source = f"package {carrier.packages[0].requirement}" + (f" and {more} more" if more else "")
    found = package.fetch_all(carrier.packages, package_folder(folder), progress)
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
