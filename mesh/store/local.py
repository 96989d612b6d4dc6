"""Model folders of the user's own, used where they lie."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import msgspec

from rostra.mesh.store.checks import check_model_folder, weight_files
from rostra.mesh.store.folder import ModelFolder, hash_files, revision_of
from rostra.mesh.store.progress import Progress


def local_folder(path: Path, remembered: Path, progress: Progress) -> ModelFolder:
    """Checks the folder and names its weights.

    Hashing large weights takes seconds, so revisions are remembered in the file `remembered`, each
    for as long as no size and no modification time changes. Raises RostraError for a folder that
    cannot be loaded.
    """
    check_model_folder(path)
    names = weight_files(path)
    state = "\n".join(_state(path / name) for name in names)
    known = _read(remembered)
    revision = known.get(state)
    if revision is None:
        revision = revision_of(hash_files(path, names, progress))
        _write(remembered, known | {state: revision})
    return ModelFolder(path.name, path, revision, f"folder {path}")


def _state(file: Path) -> str:
    stat = file.stat()
    return f"{file} {stat.st_size} {stat.st_mtime_ns}"


# Only a memory: what cannot be read or written is worked out again.


def _read(file: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        return {}


def _write(file: Path, content: dict[str, str]) -> None:
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name)
        with os.fdopen(handle, "wb") as stream:
            stream.write(msgspec.json.encode(content))
        os.replace(name, file)
